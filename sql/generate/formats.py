"""Compiles the table definitions: `schema/NAME.parquet`, a table without rows, from `schema/NAME.sql`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

from stockstream.sql.loader import HOME, load


def compiled() -> dict[Path, bytes]:
    """Return the content of every format's Parquet file."""
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted((HOME / "schema").glob("*.sql")):
            target = Path(folder) / f"{path.stem}.parquet"
            with duckdb.connect() as con:
                con.execute(load(f"schema/{path.stem}").text)
                con.execute(f"COPY (FROM {path.stem} LIMIT 0) TO '{target}' (FORMAT parquet)")
            files[path.with_suffix(".parquet")] = target.read_bytes()
    return files
