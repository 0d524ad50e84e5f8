"""The store's contract: an object appears complete or not at all, and only a writer that has read it can replace it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Stored:
    """An object as it was read: its bytes, and the tag of this version."""

    data: bytes
    etag: str


@dataclass(frozen=True)
class Listed:
    """An object as it was listed: the tag of its version, its size in bytes, and its age by the store's clock."""

    etag: str
    size: int
    age: timedelta = field(compare=False)


def opened(data: bytes | Path) -> BufferedReader | BytesIO:
    """Open what is to be put for reading."""
    return data.open("rb") if isinstance(data, Path) else BytesIO(data)


class Store(Protocol):
    """Objects by key (`raw-data/2026-11-20-batch-0.parquet`) below a lake's URI."""

    def uri(self, key: str) -> str:
        """Return the URI from which DuckDB reads an object."""

    def list(self, prefix: str) -> dict[str, Listed]:
        """Return the objects below a prefix by key, sorted."""

    def litter(self) -> dict[str, Listed]:
        """Return the temporary files of killed writers, which are not objects; `delete` accepts their keys."""

    def get(self, key: str) -> Stored | None:
        """Return an object; None if there is none."""

    def digest(self, key: str) -> tuple[int, str] | None:
        """Return the size and the SHA-256 of an object, read piece by piece; None if there is none."""

    def part(self, key: str, start: int, length: int) -> bytes:
        """Return a range of an object's bytes; fewer if it ends before.

        Raises:
            KeyError: there is no such object.
        """

    def put(self, key: str, data: bytes | Path, replaces: Stored | None) -> None:
        """Write an object: a new one (`replaces` is None), or one that replaces the version that was read.

        A path stands for the bytes of a local file, which are not held in memory.

        Raises:
            Conflict: the object exists already, or has another version now; nothing was written.
            LakeError: the store cannot be written; nothing was written.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, in any order; objects that do not exist are ignored.

        Raises:
            LakeError: not all objects could be deleted.
        """
