"""Indicators: ten of them in 20 columns against polars-talib and TA-Lib, one column alone, the stored table."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import talib

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.refresh_indicators import run as refresh_indicators
from stockstream.sql.catalogue import catalogue
from stockstream.sql.compiler import benchmarks_of, parse
from stockstream.sql.compiler.arrays.program import lower
from stockstream.sql.session import connect
from tests.benchmarks._harness import Figure, Spent, beside, main, spent
from tests.benchmarks._synthetic import copy, make_bars, sessions, write_day, write_history
from tests.benchmarks._wide import ours, polars

MAX_CPU_OVER_POLARS = 1.0
MAX_WALL_OVER_POLARS = 0.8
MAX_MEMORY_OVER_POLARS = 1.2
MAX_ALL_OVER_WIDE = 4.0
MAX_OF_WIDE = 0.25
MAX_DAILY = 1.5
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
    """Compute 20 columns of all bars, from Parquet to Arrow: each library with all cores, then ours with one thread."""

    def from_parquet(work: Callable[[Path], Any]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
        return lambda: bars, work

    requests = parse([column for one in catalogue().newest for column in one.returns], catalogue())
    unsupported = lower(requests).unsupported  # those are joined by SQL
    # Without those that compare with a symbol, of which these bars have none.
    every = [one.name for one in requests if one.name not in unsupported and not benchmarks_of([one])]
    yield Figure("bars", pq.read_metadata(bars).num_rows, "rows")
    two, one_thread, one_column, all_columns, others, loop = beside(
        [
            from_parquet(ours),
            from_parquet(partial(ours, threads=1)),
            from_parquet(lambda path: ours(path, 2, "sma_20")),
            from_parquet(lambda path: ours(path, 2, *every)),
            from_parquet(polars),
            (lambda: _arrays(bars), _talib),
        ],
        runs,
    )
    yield from _both("20 columns, Parquet to Arrow", two)
    yield from _both("20 columns on one thread", one_thread)
    yield from _both("20 columns, polars-talib", others)
    yield from _both("20 columns, TA-Lib in a loop over arrays", loop)
    yield from _both(f"{len(every)} columns: all indicators that arrays compute", all_columns)
    yield Figure("20 columns / polars-talib, CPU", two.cpu / others.cpu, "x", MAX_CPU_OVER_POLARS)
    yield Figure("20 columns / polars-talib, wall", two.wall / others.wall, "x", MAX_WALL_OVER_POLARS)
    if Path("/proc/self/status").exists():
        our_peak, their_peak = _peak("ours", bars), _peak("polars", bars)
        yield Figure("20 columns, peak of memory", our_peak / 2**20, "MiB")
        yield Figure("20 columns, peak of memory, polars-talib", their_peak / 2**20, "MiB")
        yield Figure("20 columns / polars-talib, memory", our_peak / their_peak, "x", MAX_MEMORY_OVER_POLARS)
    yield Figure("20 columns / TA-Lib in a loop, CPU", two.cpu / loop.cpu, "x")
    yield Figure("all indicators / 20 columns, CPU", all_columns.cpu / two.cpu, "x", MAX_ALL_OVER_WIDE)
    yield Figure("sma_20 alone / 20 columns, wall", one_column.wall / two.wall, "x", MAX_OF_WIDE)


def _peak(name: str, bars: Path) -> int:
    """Return the peak of memory of a process that computes the columns, in bytes."""
    command = [sys.executable, "-m", "tests.benchmarks._wide", name, str(bars)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _both(name: str, time: Spent) -> Iterator[Figure]:
    yield Figure(name, time.cpu, "CPU s")
    yield Figure(name, time.wall, "s")


def _arrays(bars: Path) -> list[tuple[np.ndarray, ...]]:
    frame = pl.read_parquet(bars).with_columns(pl.col("volume").cast(pl.Float64))
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
    yield Figure("stored table, one more day", daily.cpu, "CPU s", MAX_DAILY)
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
