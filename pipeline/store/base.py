"""The store's contract: objects appear whole or not at all, and are replaced only by whoever has seen the old one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Stored:
    """An object as it was read: its bytes, and the tag that names this very version."""

    data: bytes
    etag: str


class Store(Protocol):
    """Objects by key (`raw-data/2026-11-20-batch-0.parquet`) below a lake's URI."""

    def uri(self, key: str) -> str:
        """Give the URI under which DuckDB reads an object."""

    def list(self, prefix: str) -> dict[str, str]:
        """Give the keys below a prefix, sorted, each with the tag of its present version."""

    def get(self, key: str) -> Stored | None:
        """Read an object; None where there is none."""

    def put(self, key: str, data: bytes, replaces: Stored | None) -> None:
        """Write an object whole: a new one (`replaces` None), or in the place of the version that was read.

        Raises:
            Conflict: the object is there already, or is no longer that version; nothing was written.
            LakeError: the store cannot be written to; nothing was written.
        """
