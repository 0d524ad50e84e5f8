"""The store's contract: objects appear whole or not at all, and are replaced only by whoever has seen the old one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True)
class Stored:
    """An object as it was read: its bytes, and the tag that names this very version."""

    data: bytes
    etag: str


@dataclass(frozen=True)
class Listed:
    """An object as it was listed: the tag of its version, its size in bytes, and its age by the store's own clock."""

    etag: str
    size: int
    age: timedelta = field(compare=False)


class Store(Protocol):
    """Objects by key (`raw-data/2026-11-20-batch-0.parquet`) below a lake's URI."""

    def uri(self, key: str) -> str:
        """Give the URI under which DuckDB reads an object."""

    def list(self, prefix: str) -> dict[str, Listed]:
        """Give the objects below a prefix by their keys, sorted."""

    def litter(self) -> dict[str, Listed]:
        """Give what killed writers have left that is no object; `delete` takes these keys too."""

    def get(self, key: str) -> Stored | None:
        """Read an object; None where there is none."""

    def put(self, key: str, data: bytes, replaces: Stored | None) -> None:
        """Write an object whole: a new one (`replaces` None), or in the place of the version that was read.

        Raises:
            Conflict: the object is there already, or is no longer that version; nothing was written.
            LakeError: the store cannot be written to; nothing was written.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, in any order; one that is not there is as good as deleted.

        Raises:
            LakeError: not all could be deleted.
        """
