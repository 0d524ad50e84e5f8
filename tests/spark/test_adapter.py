"""`analytics.spark`: macros and views that run per bucket of symbols are equal to those of one connection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zlib import crc32

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from duckdb import DuckDBPyConnection

from stockstream import analytics
from stockstream.sql.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")]
KEY = [("symbol", "ascending"), ("date", "ascending")]


@pytest.mark.parametrize(
    ("sql", "shared"),
    [
        ("FROM psar('frame')", []),
        ("FROM supertrend('frame', 7)", []),
        ("SELECT symbol, date, cci, aroon_up FROM cci('frame') JOIN aroon('frame') USING (symbol, date)", []),
        ("FROM beta('frame')", ["SPY"]),
    ],
)
def test_a_bucket_is_what_duckdb_computes_of_its_rows_to_the_bit(
    sql: str, shared: list[str], bars: DataFrame, duck: DuckDBPyConnection
) -> None:
    """The last bit of a sum in DuckDB depends on the other symbols of the table, so that the whole is near only."""
    got = analytics.spark.query(bars, sql, buckets=3, shared=shared).toArrow().sort_by(KEY)
    want = pa.concat_tables([of_bucket(duck, sql, number, shared) for number in range(3)]).sort_by(KEY)
    whole = duck.sql(sql.replace("'frame'", "'bars'")).to_arrow_table().sort_by(KEY)
    assert got.num_rows == whole.num_rows > 1000
    assert got.column_names == want.column_names
    for column in got.column_names:
        assert got[column].to_pylist() == want[column].to_pylist(), column
    for column in got.column_names[2:]:
        np.testing.assert_allclose(numbers(got, column), numbers(whole, column), rtol=1e-14)


def of_bucket(duck: DuckDBPyConnection, sql: str, number: int, shared: list[str]) -> pa.Table:
    """Return what DuckDB computes from the rows of the symbols of a bucket, and those that all have."""
    symbols = [str(symbol) for (symbol,) in duck.execute("SELECT DISTINCT symbol FROM bars").fetchall()]
    ours = [symbol for symbol in symbols if crc32(symbol.encode()) % 3 == number]
    duck.execute("CREATE OR REPLACE TEMP TABLE frame AS FROM bars WHERE symbol IN ?", [[*ours, *shared]])
    return duck.sql(sql).filter(f"symbol IN {(*ours, 'none')}").to_arrow_table()


def numbers(table: pa.Table, column: str) -> np.ndarray:
    return np.asarray(table[column].cast(pa.float64()).to_numpy())


def test_a_view_reads_the_frame_as_stored_bars(bars: DataFrame) -> None:
    """A split of 2:1 halves the prices before it, whose basis is the day before."""
    rows = [("A", "2024-01-02", 10.0, 1.0, "2024-01-03"), ("A", "2024-01-04", 5.0, 2.0, "2024-01-04")]
    named = bars.sparkSession.createDataFrame(
        rows, "symbol string, date string, close double, split_ratio double, price_basis string"
    )
    stored = named.selectExpr(
        "symbol", "CAST(date AS DATE) AS date", "close", "split_ratio", "CAST(price_basis AS DATE) AS price_basis"
    )
    found = analytics.spark.query(stored, "SELECT symbol, date, close FROM bars_adjusted", buckets=2).collect()
    assert sorted((row.symbol, str(row.date), row.close) for row in found) == [
        ("A", "2024-01-02", 5.0),
        ("A", "2024-01-04", 5.0),
    ]


def test_what_is_wrong_is_one_line(bars: DataFrame) -> None:
    with pytest.raises(UsageError, match="the frame has no column symbol: it has date"):
        analytics.spark.query(bars.select("date"), "FROM frame")
    with pytest.raises(UsageError, match="the result has no column symbol: it has n"):
        analytics.spark.query(bars, "SELECT count(*) AS n FROM frame")
    with pytest.raises(UsageError, match=re.escape("buckets=0: it is the number")):
        analytics.spark.query(bars, "FROM frame", buckets=0)
    with pytest.raises(duckdb.CatalogException, match="sessions does not exist"):
        analytics.spark.query(bars, "FROM resample('bars_adjusted', 5)")
    with pytest.raises(Exception, match="the benchmark of beta is SPY, which has no bars"):
        analytics.spark.query(bars, "FROM beta('frame')", buckets=3).collect()
