"""The index of a Parquet file: its footer, where its row groups begin, and its smallest columns that queries filter by.

The pipeline makes it when it publishes the file, and stores it as text in the pointer.
"""

from __future__ import annotations

import base64
import json
import tempfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.variables import quoted

FILTERED = {"symbol": 32_768, "date": 2_048, "split_ratio": 2_048}
"""The columns whose chunks are in the index, if they have at most so many bytes."""
TAIL = 8
"""Bytes at the end of a Parquet file: the length of the footer, and PAR1."""
FIRST_READ = 131_072
"""At least as much as DuckDB reads first of a Parquet file, from its end: 64 KiB or less."""

Read = Callable[[int, int], bytes]
"""A function that returns a range of a file's bytes: of its start and length."""


@dataclass(frozen=True)
class FileIndex:
    """What a reader needs to know of a Parquet file before it reads data."""

    data_size: int
    """Where the data end and the footer begins."""
    footer: bytes
    """The bytes from there to the end of the file."""
    groups: tuple[int, ...]
    """Where each row group begins."""
    chunks: Mapping[int, bytes]
    """Small chunks of columns, by where they begin."""

    @cached_property
    def tail(self) -> bytes:
        """The footer as DuckDB may see it: after padding, so that its first read reads nothing else."""
        return self.footer.rjust(FIRST_READ, b"\0")

    @property
    def size_in_lake(self) -> int:
        """The size of the file itself."""
        return self.data_size + len(self.footer)

    @property
    def size(self) -> int:
        """The size of the file with that padding."""
        return self.data_size + len(self.tail)

    def chunk(self, start: int, length: int) -> bytes | None:
        """Return a range of the data if one of the chunks contains it."""
        for first, data in self.chunks.items():
            if first <= start and start + length <= first + len(data):
                return data[start - first : start - first + length]
        return None

    def group(self, start: int) -> int:
        """Return the number of the row group that a byte belongs to."""
        return bisect_right(self.groups, start) - 1

    def body(self, group: int) -> tuple[int, int]:
        """Return where the data of a row group begin and end, without a chunk of the index at its beginning."""
        first = self.groups[group]
        end = self.groups[group + 1] if group + 1 < len(self.groups) else self.data_size
        return first + len(self.chunks.get(first, b"")), end

    def to_text(self) -> str:
        """Return the index as it is stored."""
        sizes = [(first, len(data)) for first, data in self.chunks.items()]
        head = json.dumps([self.data_size, len(self.footer), self.groups, sizes], separators=(",", ":")).encode()
        content = head + b"\n" + self.footer + b"".join(self.chunks.values())
        return base64.b64encode(zlib.compress(content, 9)).decode()

    @classmethod
    def from_text(cls, text: str) -> FileIndex:
        """Return a stored index.

        Raises:
            ValueError: it is damaged.
        """
        try:
            head, _, rest = zlib.decompress(base64.b64decode(text, validate=True)).partition(b"\n")
            data_size, footer_size, groups, sizes = json.loads(head)
            footer, at, chunks = rest[:footer_size], footer_size, {}
            for first, size in sizes:
                chunks[int(first)] = rest[at : at + size]
                at += size
            if at != len(rest) or not groups or not footer.endswith(b"PAR1"):
                raise ValueError("its parts do not fit")
            return cls(int(data_size), footer, tuple(map(int, groups)), chunks)
        except (zlib.error, TypeError, ValueError) as error:
            raise ValueError(f"the index of a file is damaged: {error}") from None


def index_of(size: int, read: Read, largest_copy: int = 0) -> FileIndex:
    """Return the index of a Parquet file of a number of bytes; with all its data if these are at most `largest_copy`.

    Raises:
        ValueError: it is no Parquet file, or has no rows.
    """
    ending = read(size - TAIL, TAIL)
    footer_size = int.from_bytes(ending[:4], "little") + TAIL
    if ending[4:] != b"PAR1" or footer_size > size:
        raise ValueError("it is no Parquet file")
    footer = read(size - footer_size, footer_size)
    rows = _chunks(size, footer)
    if not rows:
        raise ValueError("it has no rows")
    groups = {group: min(first for number, _, first, _ in rows if number == group) for group, *_ in rows}
    small = [(first, length) for _, column, first, length in rows if length <= FILTERED.get(column, 0)]
    if size <= largest_copy:
        small = [(min(groups.values()), size - footer_size - min(groups.values()))]
    chunks = {first: read(first, length) for first, length in sorted(small)}
    return FileIndex(size - footer_size, footer, tuple(sorted(groups.values())), chunks)


@cache
def _kept() -> DuckDBPyConnection:
    """Return a connection for all footers of this process: to open one takes longer than to read a footer."""
    return duckdb.connect(config={"threads": 1, "enable_external_file_cache": False})


def _chunks(size: int, footer: bytes) -> list[tuple[int, str, int, int]]:
    """Return row group, column, begin and size of each column chunk that a footer lists."""
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder, _kept().cursor() as con:
        path = Path(folder) / "footer.parquet"
        with path.open("wb") as file:  # DuckDB reads the footer only: a hole is in the place of the data
            file.write(b"PAR1")
            file.seek(size - len(footer))
            file.write(footer)
        return con.execute(
            "SELECT row_group_id, path_in_schema, least(coalesce(dictionary_page_offset, data_page_offset), "
            f"data_page_offset), total_compressed_size FROM parquet_metadata({quoted(str(path))}) ORDER BY ALL"
        ).fetchall()
