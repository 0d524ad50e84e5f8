"""Indicators: ten of them in 20 columns against polars-talib and TA-Lib, one column alone, the stored table."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import polars_talib as plta
import talib

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.refresh_indicators import run as refresh_indicators
from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import parse, plan
from stockstream.sql.session import connect
from tests.benchmarks._harness import Figure, Spent, beside, main, spent
from tests.benchmarks._synthetic import copy, make_bars, sessions, write_day, write_history

COLUMNS = [
    "sma_20", "ema_20", "wma_20", "rsi_14", "macd", "macd_signal", "macd_hist", "stoch_k", "stoch_d", "bollinger_upper",
    "bollinger_middle", "bollinger_lower", "bollinger_percent", "bollinger_width", "atr_14", "obv", "vwap",
    "vwap_value", "vwap_volume", "vwap_rolling_20",
]  # fmt: skip
MAX_CPU_OVER_POLARS = 2.0
MAX_WALL_OVER_POLARS = 2.5
MAX_OF_WIDE = 0.1
MAX_OF_FULL = 0.25
MAX_MILLISECONDS = 50
MAX_GROWTH = 2.5
"""Limit of the time ratio for twice as many bars; 2 is linear."""


def measure(quick: bool) -> Iterator[Figure]:
    symbols, count, runs, million = (50, 400, 1, 20_000) if quick else (2000, 2520, 3, 1_000_000)
    days = sessions(count + 1)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder, duckdb.connect() as con:
        make_bars(con, symbols, days)
        bars = Path(folder) / "bars.parquet"
        copy(con, f"FROM raw WHERE date <= DATE '{days[-2]}' ORDER BY symbol, date", bars)
        yield from _wide(bars, runs)
        yield from _ready(con, Path(folder) / "lake", days, runs)
    yield from _one_symbol(million, runs)


def _wide(bars: Path, runs: int) -> Iterator[Figure]:
    """Compute 20 columns of all bars, from memory to Arrow: each library on one thread, then ours on two."""

    def ours(threads: int, *columns: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
        def prepare() -> duckdb.DuckDBPyConnection:
            con = duckdb.connect(config={"threads": threads})
            catalogue().install(con)
            con.execute(f"CREATE TABLE bars AS FROM '{bars}'")
            return con

        def work(con: duckdb.DuckDBPyConnection) -> None:
            con.execute(plan(con, parse(columns, catalogue()), "bars", is_unique=True)).to_arrow_table()

        return prepare, work

    frame = pl.read_parquet(bars).with_columns(pl.col("volume").cast(pl.Float64))
    yield Figure("bars", frame.height, "rows")
    wide, two, one, polars, loop = beside(
        [
            ours(1, *COLUMNS),
            ours(2, *COLUMNS),
            ours(1, "sma_20"),
            (lambda: frame, _polars_talib),
            (lambda: _arrays(frame), _talib),
        ],
        runs,
    )
    yield from _both("20 columns", wide)
    yield from _both("20 columns on two threads", two)
    yield from _both("20 columns, polars-talib", polars)
    yield from _both("20 columns, TA-Lib in a loop", loop)
    yield Figure("20 columns / polars-talib, CPU", wide.cpu / polars.cpu, "x", MAX_CPU_OVER_POLARS)
    yield Figure("20 columns on two threads / polars-talib, wall", two.wall / polars.wall, "x", MAX_WALL_OVER_POLARS)
    yield Figure("20 columns / TA-Lib in a loop, CPU", wide.cpu / loop.cpu, "x")
    yield Figure("sma_20 alone / 20 columns, CPU", one.cpu / wide.cpu, "x", MAX_OF_WIDE)


def _both(name: str, time: Spent) -> Iterator[Figure]:
    yield Figure(name, time.cpu, "CPU s")
    yield Figure(name, time.wall, "s")


def _polars_talib(frame: pl.DataFrame) -> pl.DataFrame:
    c, h, low, v = (pl.col(name) for name in ("close", "high", "low", "volume"))
    typical, by = (h + low + c) / 3, "symbol"
    upper, middle, lower = (pl.col("bollinger").struct[at] for at in range(3))
    return frame.with_columns(
        plta.sma(c, 20).over(by).alias("sma_20"),
        plta.ema(c, 20).over(by).alias("ema_20"),
        plta.wma(c, 20).over(by).alias("wma_20"),
        plta.rsi(c, 14).over(by).alias("rsi_14"),
        plta.macd(c, 12, 26, 9).over(by).alias("macd"),
        plta.stoch(h, low, c, 14, 3, 0, 3, 0).over(by).alias("stoch"),
        plta.bbands(c, 20, 2.0, 2.0).over(by).alias("bollinger"),
        plta.atr(h, low, c, 14).over(by).alias("atr_14"),
        plta.obv(c, v).over(by).alias("obv"),
        (typical * v).cum_sum().over(by).alias("vwap_value"),
        v.cum_sum().over(by).alias("vwap_volume"),
        ((typical * v).rolling_sum(20) / v.rolling_sum(20)).over(by).alias("vwap_rolling_20"),
    ).with_columns(
        (pl.col("vwap_value") / pl.col("vwap_volume")).alias("vwap"),
        ((c - lower) / (upper - lower)).alias("bollinger_percent"),
        ((upper - lower) / middle).alias("bollinger_width"),
    )


def _arrays(frame: pl.DataFrame) -> list[tuple[np.ndarray, ...]]:
    names = ("close", "high", "low", "volume")
    return [tuple(part[name].to_numpy() for name in names) for part in frame.partition_by("symbol")]


def _talib(arrays: list[tuple[np.ndarray, ...]]) -> None:
    for c, h, low, v in arrays:
        talib.SMA(c, 20), talib.EMA(c, 20), talib.WMA(c, 20), talib.RSI(c, 14), talib.MACD(c, 12, 26, 9)
        talib.STOCH(h, low, c, 14, 3, 0, 3, 0), talib.ATR(h, low, c, 14), talib.OBV(c, v)
        upper, middle, lower = talib.BBANDS(c, 20, 2.0, 2.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            _ = (c - lower) / (upper - lower), (upper - lower) / middle
            value, volume = np.cumsum((h + low + c) / 3 * v), np.cumsum(v)
            _ = value / volume, (value[20:] - value[:-20]) / (volume[20:] - volume[:-20])


def _ready(con: duckdb.DuckDBPyConnection, folder: Path, days: list[Any], runs: int) -> Iterator[Figure]:
    """Compute the stored table for a whole lake, then for one more day, and read one symbol of it."""
    lake = Lake(str(folder))
    lake.prepare(MARKETS["ASX"], days[-1])
    write_history(con, folder, days[:-1])
    consolidate({}, lake)
    full = spent(lambda: refresh_indicators({}, lake))
    write_day(con, folder, days[-1])
    consolidate({}, lake)
    daily = spent(lambda: refresh_indicators({}, lake))
    yield Figure("stored table, all days", full.cpu, "CPU s")
    yield Figure("stored table, one more day", daily.cpu, "CPU s")
    yield Figure("one more day / all days, CPU", daily.cpu / full.cpu, "x", MAX_OF_FULL)
    with connect(lake.uri) as reader:
        query = "SELECT date, rsi_14, macd, sma_20 FROM indicators WHERE symbol = 'S0007' ORDER BY date"
        (one,) = beside([(lambda: reader, lambda reader: reader.execute(query).fetchall())], runs + 2)
        yield Figure("one symbol of the stored table", 1000 * one.wall, "ms", MAX_MILLISECONDS)
        live = "SELECT date, rsi FROM rsi('bars_split_adjusted', 14) WHERE symbol = 'S0007' ORDER BY date"
        (one,) = beside([(lambda: reader, lambda reader: reader.execute(live).fetchall())], runs + 2)
        yield Figure("one symbol by the macro rsi", 1000 * one.wall, "ms")


def _one_symbol(bars: int, runs: int) -> Iterator[Figure]:
    """Compute macros on a very long series of bars, and on one of half its length."""

    def prepared(count: int) -> Callable[[], duckdb.DuckDBPyConnection]:
        def prepare() -> duckdb.DuckDBPyConnection:
            con = duckdb.connect(config={"threads": 1})
            catalogue().install(con)
            con.execute(
                "CREATE TABLE bars AS SELECT 'A' AS symbol, DATE '1000-01-01' + i::INTEGER AS date, "
                f"100 + 10 * sin(i / 50) + hash(i) % 100 / 50 AS close FROM range({count}) AS r (i)"
            )
            return con

        return prepare

    for name in ("ema", "rsi", "macd"):
        query = f"SELECT sum({name}), bool_and(isfinite({name})) FILTER ({name} IS NOT NULL) FROM {name}('bars')"

        def work(con: duckdb.DuckDBPyConnection, query: str = query) -> None:
            ((_, is_finite),) = con.execute(query).fetchall()
            assert is_finite

        half, whole = beside([(prepared(bars // 2), work), (prepared(bars), work)], runs)
        yield Figure(f"{name} of {bars:,} bars of one symbol", whole.cpu, "CPU s")
        yield Figure(f"{name} of {bars:,} bars / of half as many", whole.cpu / half.cpu, "x", MAX_GROWTH)


if __name__ == "__main__":
    main("Indicators", measure)
