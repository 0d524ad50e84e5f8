"""Data files on their way into the lake: written to a local folder, verified, uploaded and read back."""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import Lake, silver_key
from stockstream.pipeline.manifest import DataFile
from stockstream.pipeline.pointer import remember_index
from stockstream.sql.session import quoted


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


@contextmanager
def staging_folder() -> Iterator[Path]:
    """Open a temporary folder for files that are about to be published."""
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        yield Path(folder)


def stage(
    con: DuckDBPyConnection, query: str, path: Path, row_group_size: int, unique: str | None = None
) -> StagedFile:
    """Write the result of a query to a Parquet file, in its order, read the file back and verify it.

    The result needs a column symbol, and a column date or valid_from. Its key is unique: the two columns, or those
    named in `unique` ("file, file_row"). `row_group_size` is in rows, and is rounded up to a multiple of 2,048.

    Raises:
        LakeError: the file has other columns or another number of rows than the result, or a key occurs twice.
    """
    size = max(2048, -(-row_group_size // 2048) * 2048)
    expected_rows = con.execute(
        f"COPY ({query}) TO {quoted(str(path))} "
        # Without bloom filters, which are one more request per file: files are sorted anyway.
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {size}, WRITE_BLOOM_FILTER false)"
    ).fetchall()[0][0]
    expected_columns = _columns(con, f"({query})")
    with duckdb.connect() as fresh:  # a separate connection: `con` may answer from its cache instead of the file
        file = f"read_parquet({quoted(str(path))})"
        columns = _columns(fresh, file)
        day = "date" if "date" in dict(columns) else "valid_from"
        rows, keys, symbols, first, last = fresh.execute(
            f"SELECT count(*), count(DISTINCT ({unique or f'symbol, {day}'})), count(DISTINCT symbol), "
            f"min({day}), max({day}) FROM {file}"
        ).fetchall()[0]
    if (rows, keys, columns) != (expected_rows, expected_rows, expected_columns):
        raise LakeError(
            f"{path.name} was not written correctly ({rows} rows with {keys} keys, {columns}; "
            f"expected {expected_rows} rows, {expected_columns}): nothing was published"
        )
    return StagedFile(
        path=path,
        rows=rows,
        bytes=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        symbols=symbols,
        first_date=first,
        last_date=last,
    )


def upload(lake: Lake, files: Iterable[StagedFile], table: str, role: str, number: int) -> tuple[DataFile, ...]:
    """Put staged files into the lake under unique names, and read each one back to verify that it is complete.

    `role` is the part of the table (base or delta), `number` the generation that is about to be published.

    Raises:
        LakeError: the lake cannot be written, or returns other bytes than those that were sent.
    """
    published = []
    for file in files:
        key = silver_key(table, number, role, secrets.token_hex(4))
        lake.store.put(key, file.path.read_bytes(), replaces=None)
        stored = lake.store.get(key)
        if stored is None or hashlib.sha256(stored.data).hexdigest() != file.sha256:
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
