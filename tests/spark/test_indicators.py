"""Exported indicators: what Spark computes is what DuckDB's macros compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from duckdb import DuckDBPyConnection

from stockstream.sql.catalogue import shipped
from stockstream.sql.dialects import Dialect, export
from tests.sql.dialects import EXPORTED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")]
TOLERANCE = 1e-11
"""Share of a column's scale."""
KEY = [("symbol", "ascending"), ("date", "ascending")]


@pytest.mark.usefixtures("bars")
@pytest.mark.parametrize("name", EXPORTED)
def test_spark_computes_what_the_macro_computes(name: str, spark: SparkSession, duck: DuckDBPyConnection) -> None:
    indicator, _ = shipped().find(name)
    exported = export(shipped(), name, Dialect.SPARK, src="bars")
    arguments = ", ".join(["'bars'", *map(str, indicator.params.values())])
    scales = "SELECT symbol, max(abs(close)) AS price, CAST(sum(volume) AS DOUBLE) AS volume FROM bars GROUP BY symbol"
    text = f"FROM {indicator.macro}({arguments}) JOIN ({scales}) USING (symbol) ORDER BY symbol, date"
    want = duck.sql(text).to_arrow_table()
    got = spark.sql(exported.sql).toArrow().sort_by(KEY)
    assert got.column_names == want.column_names[:-2]
    assert want.num_rows > 100
    for key in ("symbol", "date"):
        assert got[key].to_pylist() == want[key].to_pylist()
    for column in indicator.returns:
        assert not differing(got, want, column, indicator.header.scale.get(column, 0))


def differing(got: pa.Table, want: pa.Table, column: str, named: float | str) -> list[tuple[object, ...]]:
    """Return the rows in which a column is NULL on one side only, or differs by more than the tolerance.

    The scale is the largest value of the column for the symbol; a column that passes through zero has at least the one
    that its header names.
    """
    one, other = (table[column].cast(pa.float64()).to_numpy() for table in (got, want))
    symbols = np.asarray(want["symbol"].to_pylist())
    scale = want[named].to_numpy().copy() if isinstance(named, str) else np.full(len(other), float(named))
    for symbol in set(symbols):
        values = np.abs(other[symbols == symbol])
        largest = np.max(values, initial=0, where=np.isfinite(values))
        scale[symbols == symbol] = np.maximum(scale[symbols == symbol], largest)
    are_equal = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        are_near = np.abs(one - other) <= TOLERANCE * scale
    has_null = np.asarray(got[column].is_null()) != np.asarray(want[column].is_null())
    wrong = np.flatnonzero(has_null | ~(are_equal | are_near))
    return [(symbols[at], want["date"][at].as_py(), one[at], other[at]) for at in wrong]
