"""How arrays read a table: in chunks of a million rows, which are cut into pieces of whole symbols."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pytest
from duckdb import DuckDBPyConnection

from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import parse, plan
from stockstream.sql.errors import UsageError


@pytest.fixture
def con() -> Iterator[DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def make_bars(con: DuckDBPyConnection, symbols: dict[str, int], order: str) -> None:
    """Create a table of symbols with so many rows, whose closes are 0, 1, 2, … and whose volumes are NULL every 1,000
    rows."""
    rows = " UNION ALL ".join(
        f"SELECT '{symbol}' AS symbol, DATE '0001-01-01' + i::INTEGER AS date, i::DOUBLE AS close, "
        f"nullif(i % 1000, 0) AS volume, DATE '2020-01-01' + (i % 5)::INTEGER AS day FROM range({count}) AS r (i)"
        for symbol, count in symbols.items()
    )
    con.execute(f"CREATE TABLE bars AS FROM ({rows}) ORDER BY {order}")


@pytest.mark.parametrize(
    ("symbols", "order"),
    [
        ({"A": 3, "B": 700_000, "C": 300_000, "D": 1}, "symbol, date"),
        ({"A": 3, "B": 700_000, "C": 300_000, "D": 1}, "symbol DESC, date"),
        ({"A": 600_000, "B": 420_000}, "date, symbol"),
        ({"LONG": 1_020_000, "SHORT": 2}, "symbol, date"),
        ({"A": 1, "B": 999_999, "C": 5}, "symbol, date"),
    ],
    ids=["a symbol in two chunks", "in the reverse order", "by day", "longer than a chunk", "whole symbols"],
)
def test_symbols_that_cross_chunks(con: DuckDBPyConnection, symbols: dict[str, int], order: str) -> None:
    make_bars(con, symbols, order)
    rows = plan(con, parse(["sma_5"], catalogue()), "bars", keep=["volume", "day"]).rows
    assert rows is not None
    rows.read()
    columns = rows.columns()
    assert (columns["symbol"] == np.repeat([*symbols], [*symbols.values()]).astype(object)).all()
    number = np.concatenate([np.arange(count) for count in symbols.values()])
    epoch = np.datetime64("0001-01-01", "us")
    assert (columns["date"] == epoch + number * np.timedelta64(1, "D")).all()
    assert np.array_equal(columns["sma_5"], np.where(number < 4, np.nan, number - 2.0), equal_nan=True)
    volume = np.where(number % 1000 == 0, np.nan, number % 1000)
    assert np.array_equal(columns["volume"].astype(np.float64), volume, equal_nan=True)
    assert (columns["day"] == np.datetime64("2020-01-01", "us") + (number % 5) * np.timedelta64(1, "D")).all()


@pytest.mark.parametrize("order", ["symbol, date", "date, symbol"])
def test_batches_of_arrow_have_the_same_rows(con: DuckDBPyConnection, order: str) -> None:
    make_bars(con, {"Ä": 1_200, "BRK.B": 3, "C": 0, "D": 1_001}, order)
    rows = plan(con, parse(["sma_5"], catalogue()), "bars", keep=["close", "volume", "day"]).rows
    assert rows is not None
    rows.read()
    arrow = rows.reader().read_all()
    expected = con.execute(
        "SELECT symbol, date, close, volume, day, CASE WHEN close >= 4 THEN close - 2 END AS sma_5 "
        "FROM bars ORDER BY ALL"
    ).to_arrow_table()
    assert arrow.select(expected.column_names).cast(expected.schema).equals(expected)


@pytest.mark.parametrize("row", [0, 1_300_000], ids=["first chunk", "second chunk"])
@pytest.mark.parametrize(
    ("failing", "error"),
    [
        ("CAST('x' || i AS DOUBLE)", duckdb.ConversionException),
        ("sqrt(-i - 1)", duckdb.OutOfRangeException),
        ("error('not so')", UsageError),
    ],
)
def test_an_error_while_rows_are_read(con: DuckDBPyConnection, failing: str, error: type[Exception], row: int) -> None:
    """The errors are those that DuckDB raises elsewhere, not those of Arrow."""
    con.execute(
        f"CREATE VIEW bars AS SELECT 'A' AS symbol, DATE '0001-01-01' + i::INTEGER AS date, "
        f"CASE WHEN i = {row} THEN {failing} ELSE 1e0 END AS close FROM range(1_500_000) AS r (i)"
    )
    computed = plan(con, parse(["sma_5"], catalogue()), "bars")
    with pytest.raises(error):
        computed.query(con)
    assert con.execute("SELECT 1").fetchall() == [(1,)]
