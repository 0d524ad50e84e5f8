"""One Spark session for the family, and the bars on which Spark is compared with DuckDB."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from duckdb import DuckDBPyConnection

from tests.sql.indicators._bars import (
    BENCHMARK,
    PRICES,
    Bars,
    add_benchmark,
    connection,
    days,
    demo_bars,
    flat_bars,
    random_bars,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SETTINGS = {
    "spark.sql.shuffle.partitions": "1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    # For queries of few rows, to plan and compile them twice takes longer than it saves; no whole stage has windows.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Return a session of one thread; skip the test where there is no Spark or no Java."""
    pytest.importorskip("pyspark", reason="the extra spark is not installed: make .venv/.spark")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("there is no Java: install openjdk-17-jre-headless")
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.master("local[1]").config(map=SETTINGS)
        builder = builder.config("spark.local.dir", str(folder)).config("spark.sql.warehouse.dir", str(folder))
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


def symbols() -> dict[str, Bars]:
    """Return real bars, and bars with NULLs, missing days, no changes, equal prices, and a fall to a hundredth."""
    bars = {name: {column: values[-300:] for column, values in demo_bars()[name].items()} for name in ("AAPL", "IBM")}
    holes = random_bars(1, 200)
    holes["close"][[0, 40, 41, 90]] = np.nan
    holes["high"][60] = holes["open"][70] = holes["volume"][80] = np.nan
    kept = np.r_[:100, 130:200]
    bars["HOLES"] = {column: values[kept] for column, values in (holes | {"date": days(200)}).items()}
    bars["FLAT"] = flat_bars(np.full(120, 10.0))
    bars["TIES"] = {column: np.round(values) for column, values in random_bars(2, 200, start=8).items()}
    crash = random_bars(3, 200)
    bars["CRASH"] = crash | {name: crash[name] / np.where(np.arange(200) < 100, 1, 100) for name in PRICES}
    return bars | {"SHORT": random_bars(4, 3)}


@pytest.fixture(scope="session")
def duck() -> DuckDBPyConnection:
    """Return a connection with the macros and the table `bars`."""
    con = connection(symbols())
    add_benchmark(con)
    assert con.execute(f"SELECT count(*) > 400 FROM bars WHERE symbol = '{BENCHMARK}'").fetchall() == [(True,)]
    return con


@pytest.fixture(scope="session")
def bars(spark: SparkSession, duck: DuckDBPyConnection) -> DataFrame:
    """Return the same bars as a DataFrame, which is the table `bars` of Spark, too."""
    frame = spark.createDataFrame(duck.sql("FROM bars").to_arrow_table())
    frame.createOrReplaceTempView("bars")
    return frame
