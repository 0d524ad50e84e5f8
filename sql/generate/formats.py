"""Compile the table definitions: `schema/NAME.sql` into `schema/NAME.parquet`, which is that table without rows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

from stockstream.sql.loader import HOME, load


def compiled() -> dict[Path, bytes]:
    """Return the content of each definition's Parquet file, by path."""
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted((HOME / "schema").glob("*.sql")):
            target = Path(folder) / f"{path.stem}.parquet"
            with duckdb.connect() as con:
                con.execute(load(f"schema/{path.stem}").text)
                con.execute(f"COPY (FROM {path.stem} LIMIT 0) TO '{target}' (FORMAT parquet)")
            files[path.with_suffix(".parquet")] = target.read_bytes()
    return files
