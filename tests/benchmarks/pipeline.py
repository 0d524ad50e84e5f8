"""The pipeline: its cost per symbol beyond the source's own time, and the speed of imports."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from statistics import median

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.listings.base import Company, ListingsSource
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources.base import Answer, Source, Window
from tests.benchmarks._harness import Figure, Spent, main, spent
from tests.benchmarks._synthetic import LAST_DAY, copy, make_bars, sessions, write_daily

ASX = MARKETS["ASX"]
TRAILING = 10
"""Number of sessions that a daily run requests again; the default of the setting."""
DAILY_RUNS = 3
ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared/data/ohlcv/asx_yahoo_2020_2021.parquet"
"""722,988 real bars, beside the checkout in CI; left out elsewhere."""
CLI = "from stockstream.analytics.cli import main; main()"


class MemorySource(Source):
    """A source that answers from memory, one answer per symbol; `inside` is its own CPU time in seconds."""

    name = "memory"

    def __init__(self, symbols: int, bars: pa.Table) -> None:
        """`bars` must be sorted by symbol, and have the same number of rows for each."""
        self._each = len(bars) // symbols
        names = bars["symbol"].take(pa.array(range(0, len(bars), self._each))).to_pylist()
        self._bars = bars
        self._first = {name: number * self._each for number, name in enumerate(names)}
        self._lock = threading.Lock()
        self.inside = 0.0

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        for window in windows:
            began = time.thread_time()
            bars = con.from_arrow(self._bars.slice(self._first[window.symbol], self._each))
            answer = Answer((window.symbol,), bars)
            with self._lock:
                self.inside += time.thread_time() - began
            yield answer

    def listings(self) -> ListingsSource:
        return _Listed([Company(symbol, f"{symbol} Ltd", "Materials", 1_000_000) for symbol in self._first])


class _Listed:
    name = "memory"

    def __init__(self, listings: list[Company]) -> None:
        self._listings = listings

    def companies(self) -> list[Company]:
        return self._listings


def measure(quick: bool) -> Iterator[Figure]:
    symbols, history, years, files = (300, 10, 1, (200, 350)) if quick else (1000, 60, 5, (2000, 350))
    calendar = spent(lambda: ASX.schedule(LAST_DAY.year))
    yield Figure("trading calendar, once per process", calendar.cpu, "CPU s")
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder, duckdb.connect() as con:
        yield from _daily(con, Path(folder), symbols, history)
        yield from _first_run(con, Path(folder), symbols, years)
        yield from _imports(con, Path(folder), *files, goal=not quick)


def _daily(con: DuckDBPyConnection, folder: Path, symbols: int, history: int) -> Iterator[Figure]:
    """Run on the days after a history of daily runs: with one new bar per symbol, then again with nothing new."""
    days = sessions(history + DAILY_RUNS)
    make_bars(con, symbols, days)
    write_daily(con, folder / "daily", symbols, days[:history])
    lake = Lake(str(folder / "daily"))
    with_new, without_new = [], []
    for day in days[history:]:
        trailing = [past for past in days if past <= day][-TRAILING:]
        source = MemorySource(symbols, _answers(con, trailing))
        with_new.append(_run(lake, source, day, expected=symbols))
        without_new.append(_run(lake, source, day, expected=0))
    yield from _per_symbol(f"daily run, {history} days in the lake", symbols, with_new, goal=5)
    yield from _per_symbol("run with nothing new", symbols, without_new)


def _first_run(con: DuckDBPyConnection, folder: Path, symbols: int, years: int) -> Iterator[Figure]:
    days = sessions(253 * years)
    make_bars(con, symbols, days)
    source = MemorySource(symbols, _answers(con, days))
    result = _run(Lake(str(folder / "first")), source, days[-1], expected=symbols * len(days))
    yield from _per_symbol(f"first run, {years} years per symbol", symbols, [result])
    yield Figure("first run, a million rows", (result[0].cpu - result[1]) / (symbols * len(days)) * 1e6, "CPU s")


def _run(lake: Lake, source: MemorySource, day: date, expected: int) -> tuple[Spent, float]:
    """Run the pipeline once; return the time it took, and the source's share of it, in seconds."""
    source.inside = 0.0
    results = []
    cost = spent(lambda: results.append(run(lake, source, ASX, day=day, start=date(2000, 1, 1))))
    if (results[0]["status"], results[0]["rows"]) != ("complete", expected):
        raise RuntimeError(f"the run stored {results[0]['rows']} rows, not {expected}: {results[0]['missing'][:3]}")
    return cost, source.inside


def _per_symbol(
    name: str, symbols: int, runs: Sequence[tuple[Spent, float]], goal: float | None = None
) -> Iterator[Figure]:
    """Yield the median of the runs per symbol, without the time in the source."""
    wall, cpu = (median(getattr(cost, kind) - inside for cost, inside in runs) for kind in ("wall", "cpu"))
    yield Figure(f"{name}: wall", 1000 * wall / symbols, "ms per symbol", goal)
    yield Figure(f"{name}: CPU", 1000 * cpu / symbols, "CPU ms per symbol")
    yield Figure(f"{name}: source, subtracted above", 1000 * median(i for _, i in runs) / symbols, "CPU ms per symbol")


def _answers(con: DuckDBPyConnection, days: Sequence[date]) -> pa.Table:
    return con.execute(
        "SELECT symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis"
        " FROM raw WHERE date BETWEEN $first AND $last ORDER BY symbol, date",
        {"first": days[0], "last": days[-1]},
    ).to_arrow_table()


def _imports(con: DuckDBPyConnection, folder: Path, symbols: int, history: int, goal: bool) -> Iterator[Figure]:
    """Import files with the command, including the start of the process."""
    make_bars(con, symbols, sessions(history))
    columns = "symbol, date, open, high, low, close, volume, adjusted_close AS adj_close"
    query = f"SELECT {columns} FROM raw ORDER BY symbol, date"
    rows = f"{symbols * history:,} rows"
    copy(con, query, folder / "bars.parquet")
    con.execute(f"COPY ({query}) TO '{folder / 'bars.csv'}' (HEADER true)")
    yield from _import(f"files: {rows}, Parquet", folder / "bars.parquet", goal=15 if goal else None)
    yield from _import(f"files: {rows}, CSV", folder / "bars.csv")
    if goal and REAL.exists():
        yield from _import("files: 722,988 real rows, Parquet", REAL, goal=15)


def _import(name: str, file: Path, goal: float | None = None) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder:
        command = [sys.executable, "-c", CLI, "run", "--source", f"files:{file}", "--lake", f"{folder}/lake"]
        cost = spent(lambda: _complete(command, folder))
    yield Figure(f"{name}: wall", cost.wall, "s", goal)
    yield Figure(f"{name}: CPU", cost.cpu, "CPU s")


def _complete(command: Sequence[str], folder: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command[3:])} ended with {result.returncode}:\n{result.stdout}{result.stderr}")


if __name__ == "__main__":
    main("Running the pipeline", measure)
