"""Foreign Parquet files in raw-data/: whatever their columns are, all other bars are served."""

from __future__ import annotations

import warnings
from pathlib import Path

import duckdb
import pytest

from stockstream.pipeline.lake import Lake, parquet
from stockstream.sql.loader import load
from stockstream.sql.session import LakeWarning
from tests.injected import Injected

VALUES = {
    "BOOLEAN": "true", "TINYINT": "1", "USMALLINT": "1", "INTEGER": "20240301", "BIGINT": "9e18", "UBIGINT": "1e19",
    "HUGEINT": "1e30", "FLOAT": "'nan'", "DOUBLE": "1e300", "DECIMAL(18,3)": "1.5", "DECIMAL(38,3)": "1.5",
    "VARCHAR": "'abc'", "BLOB": "'\\xAA'", "DATE": "'2024-03-01'", "TIME": "'10:00'", "TIMETZ": "'10:00'",
    "TIMESTAMP": "'2024-03-01'", "TIMESTAMP_NS": "'2024-03-01'", "TIMESTAMPTZ": "'2024-03-01'", "UUID": "uuid()",
    "INTERVAL": "'1 day'", "ENUM('a')": "'a'", "BIT": "'101'", "JSON": "'{}'", "INTEGER[]": "[1]",
    "STRUCT(symbol VARCHAR)": "{'symbol': 'a'}", "MAP(VARCHAR, INTEGER)": "MAP {'a': 1}",
}  # fmt: skip
GOOD = {
    "symbol": "'AAA'", "date": "DATE '2024-03-01'", "open": "9.5", "high": "11.5", "low": "8.5", "close": "10.5",
    "volume": "7", "adjusted_close": "10.5", "fetch_timestamp": "'2024-03-01T22:00:00.000000Z'", "dividend": "0",
    "split_ratio": "1", "source": "'mine'", "price_basis": "DATE '2024-03-01'",
}  # fmt: skip


def store(lake: Lake, name: str, values: dict[str, str]) -> None:
    """Put a batch file with one row; a value without CAST gets the type of its column."""
    with duckdb.connect() as con:
        con.execute(load("schema/raw").text)
        types = dict(con.execute("SELECT column_name, column_type FROM (DESCRIBE raw)").fetchall())
        columns = ", ".join(
            f"{value if 'CAST' in value else f'CAST({value} AS {types[column]})'} AS {column}"
            for column, value in values.items()
        )
        lake.store.put(f"raw-data/{name}.parquet", parquet(con, f"SELECT {columns}"), replaces=None)


@pytest.mark.parametrize("column", GOOD)
def test_every_type_in_every_column(column: str, tmp_path: Path, injected: Injected) -> None:
    """All types at once: files that can be converted are read, the others are left out and named."""
    lake = Lake(str(tmp_path / "lake"))
    store(lake, "2024-03-02-batch-0", GOOD)
    mine = "SELECT * EXCLUDE (file) FROM raw_bars WHERE source = 'mine' AND symbol = 'AAA' AND date = '2024-03-01'"
    with lake.session() as con:
        expected = con.sql(mine).fetchall()
    for number, (kind, value) in enumerate(VALUES.items()):
        other = {"symbol": f"'B{number}'", "source": "'theirs'"} | {column: f"CAST({value} AS {kind})"}
        store(lake, f"2024-03-01-batch-{number}", GOOD | other)
        injected("query", f"folder: {column} of a batch file", f"type {kind}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LakeWarning)
        with lake.session() as con:
            assert con.sql(mine).fetchall() == expected
            left_out = con.sql("SELECT unnest(getvariable('unreadable_files'))").fetchall()
            con.sql("FROM bars_adjusted").fetchall()
    named = " ".join(str(warning.message) for warning in caught)
    assert len(left_out) > 5
    assert all(file in named for (file,) in left_out)
