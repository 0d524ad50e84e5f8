"""Backtests: 500 symbols × ten years against other engines, the loop alone, one symbol, many runs, memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import polars as pl
from backtesting.test import GOOG

from stockstream import analytics
from stockstream.analytics.backtest import Action, Data, MovingAverageCrossover, Portfolio, Strategy, backtest, verify
from stockstream.analytics.backtest.engine import run
from stockstream.analytics.backtest.feed import open_feed
from stockstream.analytics.backtest.model import Setup
from stockstream.analytics.backtest.runs import Outcome, search
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.consolidate import run as consolidate
from tests.analytics.backtest._crossover import COMMISSION, Crossover, DeclaredCrossover
from tests.benchmarks import _engines
from tests.benchmarks._harness import Figure, Spent, beside, main, spent
from tests.benchmarks._queried import Queried
from tests.benchmarks._synthetic import make_bars, sessions, write_history
from tests.random_walks import random_walks

MIN_RATIOS = {"backtrader": 30, "pybroker": 7, "backtesting": 5}
"""Minimum ratio of each engine's CPU time to ours."""
FEWER_SYMBOLS = 50
"""Symbols for the other engines: a tenth of ours, because they are slow."""
ENVIRONMENT = Path(__file__).parents[2] / ".venv-engines"
EQUITY_OF_500 = 139_475_345.44
"""Final equity of the crossover on 500 symbols: the result of four other engines."""
MAX_NANOSECONDS_PER_BAR = 1000
MAX_MICROSECONDS_PER_FILL = 10
MAX_MILLISECONDS = 20
MAX_SECONDS_OF_LAKE = 4.5
MAX_RATIO_TO_VECTORBT = 1.3
"""Due once indicators are compiled."""
MAX_MEGABYTES = 450
MAX_CHECK = 20
"""Maximum CPU time of the check for look-ahead, in runs of the backtest."""


PEAK = """
import re, sys
from pathlib import Path
from stockstream.analytics.backtest import MovingAverageCrossover, backtest
backtest(MovingAverageCrossover(), sys.argv[1])
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1.024 / 1000)
"""
"""Prints the peak memory in MB. Not from getrusage, whose maximum starts at that of the parent process."""


class Idle(Strategy):
    """Reads each bar and never trades."""

    columns = ("sma(20)", "sma(50)")

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        slow = data["sma_50"]
        return None if slow is None or data["sma_20"] > 0 else Action.buy(1)


class Busy(Idle):
    """Trades at each bar."""

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        slow = data["sma_50"]
        if slow is None or data["sma_20"] < 0:
            return None
        return Action.sell(1) if symbol in portfolio.positions else Action.buy(1)


def measure(quick: bool) -> Iterator[Figure]:
    symbols, runs = (20, 1) if quick else (500, 5)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as temporary:
        folder = Path(temporary)
        bars, fewer = folder / "bars.parquet", folder / "fewer.parquet"
        random_walks(symbols).write_parquet(bars)
        random_walks(min(FEWER_SYMBOLS, symbols)).write_parquet(fewer)
        ours = yield from _ours(folder, bars, 200_000.0 * symbols, runs)
        declared = yield from _declared(folder, bars, 200_000.0 * symbols, runs)
        if not quick:
            yield from _vectorbt(declared.cpu, bars, 200_000.0 * symbols)
            yield from _theirs(ours.cpu / symbols, fewer)
        yield from _loop(folder, bars, runs)
        yield from _goog(folder, 3 * runs)
        yield from _many(folder, quick)
        yield from _memory(folder, quick)
        yield from _verified(folder, quick)


def crossed(lake: str, bars: Path, capital: float, strategy: type[Strategy] = Crossover) -> float:
    """Run a crossover from a Parquet file to the metrics; return the final equity."""
    with analytics.connect(lake) as con:
        con.execute(f"CREATE VIEW walks AS SELECT * REPLACE (CAST(date AS DATE) AS date) FROM '{bars}'")
        result = backtest(strategy(), con=con, src="walks", initial_capital=capital, commission=COMMISSION)
    return float(result.curve.equity[-1])


def _ours(folder: Path, bars: Path, capital: float, runs: int) -> Iterator[Figure]:
    work = partial(crossed, str(folder / "none"), bars, capital)
    equities: list[float] = []
    (time,) = beside([(lambda: None, lambda _: equities.append(work()))], runs)
    if capital == 200_000.0 * 500:
        assert round(equities[-1], 2) == EQUITY_OF_500, "not the equity of the other engines"
    yield Figure("bars", pl.scan_parquet(bars).select(pl.len()).collect().item(), "rows")
    yield Figure("crossover", time.cpu, "CPU s")
    yield Figure("crossover", time.wall, "s")
    return time


def _declared(folder: Path, bars: Path, capital: float, runs: int) -> Iterator[Figure]:
    """Measure the same trades as a declared strategy, which Python is asked for only where a signal turns."""
    works = [partial(crossed, str(folder / "none"), bars, capital, kind) for kind in (Crossover, DeclaredCrossover)]
    assert works[0]() == works[1](), "not the equity of the strategy that is written out"
    loop, declared = beside([(lambda: None, lambda _, work=work: work()) for work in works], runs)
    yield Figure("crossover, declared", declared.cpu, "CPU s")
    yield Figure("crossover: declared / written out", declared.cpu / loop.cpu, "x CPU")
    return declared


def _vectorbt(ours: float, bars: Path, capital: float) -> Iterator[Figure]:
    """Compare the declared strategy with the engine that has columns only; from the same file to the same equity."""
    python = _engines.environment(ENVIRONMENT / "vectorbt", _engines.VECTORBT)
    theirs = _engines.run_engine(python, "vectorbt", bars, capital)
    assert theirs["equity"] == EQUITY_OF_500, "not the equity of the other engines"
    yield Figure("crossover, vectorbt, second run", theirs["cpu"], "CPU s")
    yield Figure("crossover: declared / vectorbt", ours / theirs["cpu"], "x CPU", MAX_RATIO_TO_VECTORBT)


def _theirs(ours_per_symbol: float, fewer: Path) -> Iterator[Figure]:
    python = _engines.environment(ENVIRONMENT)
    for engine, min_ratio in MIN_RATIOS.items():
        theirs = _engines.run_engine(python, engine, fewer, 200_000.0 * FEWER_SYMBOLS)
        yield Figure(f"crossover, {engine}, {FEWER_SYMBOLS} symbols", theirs["cpu"], "CPU s")
        yield Figure(
            f"crossover: ours / {engine}, per bar",
            ours_per_symbol / (theirs["cpu"] / FEWER_SYMBOLS),
            "x CPU",
            1 / min_ratio,
        )


def _loop(folder: Path, bars: Path, runs: int) -> Iterator[Figure]:
    """Measure the event loop alone, on rows from a file, without the query."""
    with analytics.connect(str(folder / "none")) as con:
        con.execute(f"CREATE VIEW walks AS SELECT * REPLACE (CAST(date AS DATE) AS date) FROM '{bars}'")
        setup = Setup.of(initial_capital=1e9)
        feed = open_feed(con, setup, Idle.columns, src="walks").save(folder / "bars.arrow")
    fills = len(run([Busy()], feed, setup)[0].portfolio.transactions)
    rows = pl.scan_parquet(bars).select(pl.len()).collect().item()
    idle, busy = beside([(kind, lambda strategy: run([strategy], feed, setup)) for kind in (Idle, Busy)], runs)
    yield Figure("loop without trades", 1e9 * idle.cpu / rows, "ns per bar", MAX_NANOSECONDS_PER_BAR)
    yield Figure("a filled order", 1e6 * (busy.cpu - idle.cpu) / fills, "us", MAX_MICROSECONDS_PER_FILL)


def _goog(folder: Path, runs: int) -> Iterator[Figure]:
    bars = folder / "goog.parquet"
    columns = {name.lower(): GOOG[name].to_numpy() for name in GOOG.columns}
    pl.DataFrame({"symbol": ["GOOG"] * len(GOOG), "date": GOOG.index.to_numpy(), **columns}).write_parquet(bars)
    with analytics.connect(str(folder / "none")) as con:
        con.execute(f"CREATE TABLE goog AS SELECT * REPLACE (CAST(date AS DATE) AS date) FROM '{bars}'")

        def once(_: object) -> None:
            backtest(Crossover(), con=con, src="goog", initial_capital=100_000, commission=COMMISSION)

        once(None)
        (time,) = beside([(lambda: None, once)], runs)
    yield Figure("GOOG alone, 2,148 bars, warm", 1000 * time.wall, "ms", MAX_MILLISECONDS)


def _many(folder: Path, quick: bool) -> Iterator[Figure]:
    """Compare a search with single runs, on a lake with splits and dividends."""
    lake = _lake(folder / "lake", 20 if quick else 500, sessions(400 if quick else 2520))
    combinations = [{"fast": fast, "slow": slow} for fast in (5, 10, 20, 30) for slow in (50, 100)]
    alone = spent(lambda: _alone(lake))
    yield Figure("a lake with splits and dividends, one run", alone.cpu, "CPU s", MAX_SECONDS_OF_LAKE)
    for jobs in (1, 2):
        time = spent(lambda jobs=jobs: search("MovingAverageCrossover", combinations, lake, jobs=jobs))
        yield Figure(
            f"{len(combinations)} runs in {jobs} processes / one by one", *_share(time, alone, len(combinations))
        )


def _share(search: Spent, alone: Spent, runs: int) -> tuple[float, str]:
    return search.wall / (alone.wall * runs), "x wall"


def _alone(lake: str) -> None:
    backtest(MovingAverageCrossover(), lake)


def _verified(folder: Path, quick: bool) -> Iterator[Figure]:
    """Compare the check for look-ahead with the backtest itself, for rows of indicators and for rows of a query."""
    lake = _lake(folder / "lake", 20 if quick else 500, sessions(400 if quick else 2520))
    for title, strategy in (("indicators", MovingAverageCrossover), ("a query", Queried)):
        alone = spent(lambda strategy=strategy: backtest(strategy(), lake))
        check = spent(partial(_cleared, strategy, lake))
        yield Figure(f"no look-ahead, {title} / one run", check.cpu / alone.cpu, "x CPU", MAX_CHECK)


def _cleared(strategy: type[Strategy], lake: str) -> None:
    verdict = verify(strategy, lake)
    assert verdict.outcome is Outcome.clear, verdict


def _memory(folder: Path, quick: bool) -> Iterator[Figure]:
    """Measure the peak memory of a process that runs a backtest, and of one with twice the history."""
    counts = (400, 800) if quick else (2520, 5040)
    symbols = 20 if quick else 500
    for days, goal in zip(counts, (MAX_MEGABYTES, None), strict=True):
        lake = _lake(folder / f"lake{days}", symbols, sessions(days))
        result = subprocess.run([sys.executable, "-c", PEAK, lake], check=True, capture_output=True, text=True)
        yield Figure(f"peak memory, {symbols * days:,} bars", float(result.stdout), "MB", goal)


def _lake(folder: Path, symbols: int, days: Sequence[date]) -> str:
    if not folder.exists():
        with duckdb.connect() as con:
            make_bars(con, symbols, days)
            write_history(con, folder, days)
        lake = Lake(str(folder))
        lake.prepare(MARKETS["ASX"], days[-1])
        consolidate({}, lake)
    return str(folder)


if __name__ == "__main__":
    main("Backtests", measure)
