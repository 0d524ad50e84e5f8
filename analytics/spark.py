"""Macros and views on a Spark DataFrame: Spark schedules buckets of symbols, and DuckDB computes each of them.

from stockstream.analytics import spark
spark.query(bars, "FROM psar('frame')").show()  # bars: symbol, date, open, high, low, close, volume
spark.query(stored, "FROM supertrend('bars_adjusted')").show()  # stored: bars as in a lake, sql/schema/raw.sql

Each worker needs Stock Stream and pyarrow, of the versions that the driver has: PYSPARK_PYTHON is its interpreter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zlib import crc32

import pyarrow as pa
from duckdb import DuckDBPyRelation

from stockstream.sql.errors import UsageError
from stockstream.sql.extras import require
from stockstream.sql.session import connect
from stockstream.sql.variables import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_BUCKET = "stockstream_bucket"


def query(frame: DataFrame, sql: str, *, buckets: int = 64, shared: Collection[str] = ()) -> DataFrame:
    """Return the rows of a query of DuckDB that runs once per bucket of symbols, as a DataFrame; Spark runs it lazily.

    The query reads the table `frame`, the rows of a bucket as they are, and the macros and views of `sql/README.md`. To
    the views, `frame` is the stored bars of a lake without lists of companies; columns of sql/schema/raw.sql that it
    lacks are NULL to them. There is no calendar: what reads `sessions`, as `resample`, is an error. A bucket has the
    whole history of its symbols and no other symbol: what counts or ranks across symbols does so within the bucket.

    Args:
        frame: has the column `symbol`, and those that the query reads.
        sql: one SELECT, or FROM, whose rows have `symbol`.
        buckets: number of them; a bucket is computed by one thread, in the memory of one worker.
        shared: symbols whose rows every bucket gets, as the benchmark of `beta`.

    Raises:
        MissingPackage: pyspark is not installed.
        UsageError: `frame` or the result has no column `symbol`, or `buckets` is not positive.
        duckdb.Error: the query cannot be planned: it reads what there is not.
    """
    require("pyspark", by="analytics.spark")
    from pyspark.sql import functions as F  # noqa: N812 (Spark's own documentation calls it so)

    if buckets < 1:
        raise UsageError(f"buckets={buckets}: it is the number of groups of symbols, at least 1")
    if "symbol" not in frame.columns:
        raise UsageError(f"the frame has no column symbol: it has {', '.join(frame.columns)}")
    with _result(frame.limit(0).toArrow(), sql) as planned:  # Spark knows that it is empty, and starts no job
        empty = planned.limit(0).to_arrow_table()
    if "symbol" not in empty.column_names:
        raise UsageError(f"the result has no column symbol: it has {', '.join(empty.column_names)}")

    def compute(key: tuple[pa.Scalar, ...], bucket: pa.Table) -> pa.Table:
        number = key[0].as_py()
        foreign = [quoted(symbol) for symbol in shared if crc32(symbol.encode()) % buckets != number]
        with _result(bucket.drop_columns([_BUCKET]), sql) as result:
            rows = result.filter(f"symbol NOT IN ({', '.join(foreign)})") if foreign else result
            return rows.to_arrow_table().cast(empty.schema)

    group = F.pmod(F.crc32("symbol"), F.lit(buckets))
    every = F.sequence(F.lit(0), F.lit(buckets - 1)).cast("array<bigint>")
    numbers = F.when(F.col("symbol").isin(list(shared)), every).otherwise(F.array(group))
    schema = frame.sparkSession.createDataFrame(empty).schema
    return frame.withColumn(_BUCKET, F.explode(numbers)).groupBy(_BUCKET).applyInArrow(compute, schema)


@contextmanager
def _result(rows: pa.Table, sql: str) -> Iterator[DuckDBPyRelation]:
    """Yield the result of the query on rows, which is not computed yet."""
    with TemporaryDirectory(prefix="stockstream-") as no_lake, connect(no_lake, verify=False) as con:
        con.execute("SET threads = 1")  # Spark has given this process one core
        con.register("frame", rows)
        con.execute(
            "CREATE OR REPLACE VIEW silver_bars AS FROM read_parquet(schema_file('bars')) UNION ALL BY NAME FROM frame"
        )
        con.execute("DROP VIEW sessions")  # what reads the calendar fails, instead of having no rows
        yield con.sql(sql)
