"""Data files on their way into the lake: written to a local folder, verified, uploaded and read back."""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.buckets import limit_memory
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import Lake, silver_key
from stockstream.pipeline.manifest import DataFile
from stockstream.pipeline.pointer import remember_index
from stockstream.sql.session import quoted

KEY = ("symbol", "date")
MAX_HELD_ROWS = 200_000
"""Maximum number of rows of a file that stay in memory until it is written, so that they are compressed once."""
_NUMBERS = count(1)


@dataclass(frozen=True)
class StagedFile:
    """A verified local Parquet file that is not in the lake yet; `upload` puts it there and returns its `DataFile`."""

    path: Path
    rows: int
    bytes: int
    sha256: str
    symbols: int
    """The number of different symbols."""
    first_date: date | None
    last_date: date | None


_readers: dict[Path, DuckDBPyConnection] = {}
"""The open connections of `_reader`, by staging folder."""


@contextmanager
def staging_folder() -> Iterator[Path]:
    """Open a temporary folder for files that are about to be published."""
    with tempfile.TemporaryDirectory(prefix="stockstream-") as name:
        folder = Path(name)
        try:
            yield folder
        finally:
            if folder in _readers:
                _readers.pop(folder).close()


def _reader(folder: Path) -> DuckDBPyConnection:
    """Return a folder's connection for reading files back: not the one that writes, which may answer from its cache."""
    if folder not in _readers:
        _readers[folder] = con = duckdb.connect()
        con.execute("SET enable_external_file_cache = false")
        limit_memory(con, folder)
    return _readers[folder]


def stage(
    con: DuckDBPyConnection,
    query: str,
    path: Path,
    row_group_size: int,
    key: Sequence[str] = KEY,
    *,
    is_sorted: bool = True,
) -> StagedFile:
    """Write the result of a query to a Parquet file, in its order, read the file back and verify it.

    The result needs a column symbol, and a column date or valid_from. Its `key` is unique, and it is sorted by it,
    unless `is_sorted` is false; then its different keys must fit into memory. `row_group_size` is in rows, and is
    rounded up to a multiple of 2,048.

    Raises:
        LakeError: the file has other columns or another number of rows than the result, or the keys are not as stated.
    """
    return _verified(path, _write(con, query, path, row_group_size), _columns(con, f"({query})"), key, is_sorted)


class Parts:
    """A Parquet file that is written in parts, one per bucket of symbols; the parts must come in the file's order."""

    def __init__(
        self, con: DuckDBPyConnection, path: Path, row_group_size: Callable[[int], int], key: Sequence[str] = KEY
    ) -> None:
        """`row_group_size` returns the size of a row group for the number of rows of the file; `key` is as in `stage`.

        The size of a row group is as in `stage`, too.
        """
        self._key = key
        self._con = con
        self._path = path
        self._row_group_size = row_group_size
        self._parts: list[Path] = []
        self._rows = 0
        self._held: list[str] = []
        self._held_rows = 0

    def add(self, query: str) -> None:
        """Append the result of a query, in its order."""
        rows = self._con.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
        if not rows:
            return
        if self._held_rows + rows > MAX_HELD_ROWS:
            self._flush()
            self._write_part(query, rows)
            return
        name = f"held_part_{next(_NUMBERS)}"
        self._con.execute(f"CREATE TEMP TABLE {name} AS {query}")
        self._held.append(name)
        self._held_rows += rows

    def _write_part(self, query: str, rows: int) -> None:
        part = self._path.with_suffix(f".{len(self._parts)}.parquet")
        self._rows += _write(self._con, query, part, self._row_group_size(rows))
        self._parts.append(part)

    def _flush(self) -> None:
        """Write the rows in memory as one part."""
        if self._held:
            self._write_part(" UNION ALL ".join(f"FROM {name}" for name in self._held), self._held_rows)
            self._con.execute(" ".join(f"DROP TABLE {name};" for name in self._held))
        self._held, self._held_rows = [], 0

    def staged(self) -> StagedFile | None:
        """Return the file, after reading it back and verifying it; None if there are no rows.

        Raises:
                LakeError: the file has other columns or another number of rows than the results, or is not sorted.
        """
        self._flush()
        if not self._parts:
            return None
        columns = _columns(self._con, _read_parquet(self._parts[:1]))
        if len(self._parts) == 1:
            self._parts[0].rename(self._path)
        else:
            _write(self._con, f"FROM {_read_parquet(self._parts)}", self._path, self._row_group_size(self._rows))
            for part in self._parts:
                part.unlink()
        return _verified(self._path, self._rows, columns, self._key)


def _write(con: DuckDBPyConnection, query: str, path: Path, row_group_size: int) -> int:
    """Write the result of a query to a Parquet file; return the number of rows."""
    size = max(2048, -(-row_group_size // 2048) * 2048)
    return int(
        con.execute(
            f"COPY ({query}) TO {quoted(str(path))} "
            # Without bloom filters, which are one more request per file: files are sorted anyway.
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {size}, WRITE_BLOOM_FILTER false)"
        ).fetchall()[0][0]
    )


def _verified(
    path: Path, rows: int, columns: list[tuple[str, str]], key: Sequence[str] = KEY, is_sorted: bool = True
) -> StagedFile:
    """Read a file back, and return what it is; the arguments are as in `stage`.

    Raises:
        LakeError: it is not as it should be.
    """
    con = _reader(path.parent)
    source = _read_parquet([path])
    stored_columns = _columns(con, source)
    day = "date" if "date" in dict(stored_columns) else "valid_from"
    keys = f"count(DISTINCT ({', '.join(key)}))"
    if is_sorted:  # unlike a count of the different keys, a comparison of neighbours needs no memory
        before = ", ".join(f"lag({column}) OVER ()" for column in key)
        is_later = f"lag({key[0]}) OVER () IS NULL OR ({', '.join(key)}) > ({before})"
        source = f"(SELECT symbol, {day}, {is_later} AS is_later FROM {source})"
        keys = "count(*) FILTER (is_later)"
    stored_rows, different, symbols, first, last = con.execute(
        f"SELECT count(*), {keys}, count(DISTINCT symbol), min({day}), max({day}) FROM {source}"
    ).fetchall()[0]
    if (stored_rows, different, stored_columns) != (rows, rows, columns):
        raise LakeError(
            f"{path.name} was not written correctly ({stored_rows} rows with {different} keys, {stored_columns}; "
            f"expected {rows} rows, {columns}): nothing was published"
        )
    with path.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    return StagedFile(
        path=path,
        rows=rows,
        bytes=path.stat().st_size,
        sha256=sha256,
        symbols=symbols,
        first_date=first,
        last_date=last,
    )


def _read_parquet(files: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(quoted(str(file)) for file in files)}])"


def upload(lake: Lake, files: Iterable[StagedFile], table: str, role: str, number: int) -> tuple[DataFile, ...]:
    """Put staged files into the lake under unique names, and read each one back to verify that it is complete.

    `role` is the part of the table (base or delta), `number` the generation that is about to be published.

    Raises:
        LakeError: the lake cannot be written, or returns other bytes than those that were sent.
    """
    published = []
    for file in files:
        key = silver_key(table, number, role, secrets.token_hex(4))
        lake.store.put(key, file.path, replaces=None)
        if lake.store.digest(key) != (file.bytes, file.sha256):
            raise LakeError(f"{lake.store.uri(key)} did not arrive as it was sent: nothing was published, run again")
        remember_index(table, key, file.path)
        published.append(
            DataFile(
                key=key,
                rows=file.rows,
                bytes=file.bytes,
                sha256=file.sha256,
                symbols=file.symbols,
                first_date=file.first_date,
                last_date=file.last_date,
            )
        )
    return tuple(published)


def _columns(con: DuckDBPyConnection, source: str) -> list[tuple[str, str]]:
    """Return the name and type of each column of a table function or subquery."""
    relation = con.sql(f"FROM {source} LIMIT 0")
    return [(name, str(dtype)) for name, dtype in zip(relation.columns, relation.types, strict=True)]
