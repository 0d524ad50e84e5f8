"""Alerts: what the shipped rules cost on live bars, with what is carried per symbol, and on the way from a feed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb

from stockstream.pipeline.alerts.evaluation import Evaluation, FeedState
from stockstream.pipeline.alerts.rules import find_rules
from stockstream.pipeline.alerts.session import SessionAlerts
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.alerting import StreamAlerts, columns_of, table_of
from stockstream.pipeline.live.bar import SCALE, Bar
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.journal import position_of
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps import consolidate, refresh_carried
from tests.benchmarks._harness import Figure, main, spent
from tests.benchmarks._synthetic import make_bars, write_history
from tests.pipeline.live.feed import SESSION, frames, seconds

MAX_MILLISECONDS = 10
MAX_MICROSECONDS = 1e6 / 300_000
"""At least 300,000 events per second."""
DAY = date.fromisoformat(SESSION.date)


def measure(quick: bool) -> Iterator[Figure]:
    symbols, years = (200, 2) if quick else (2_000, 5)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder:
        lake = _lake(Path(folder) / "lake", symbols, years)
        table = f"the table carried of {symbols:,} symbols, {years} years of bars"
        yield Figure(table, spent(lambda: refresh_carried.run({}, lake)).cpu, "CPU s")
        yield from _rules(lake, symbols, quick)
        yield from _stream(lake, symbols, quick)


def _rules(lake: Lake, symbols: int, quick: bool) -> Iterator[Figure]:
    opened: list[Evaluation] = []
    opening = spent(lambda: opened.append(Evaluation(lake, DAY, find_rules()))).cpu
    (evaluation,) = opened
    yield Figure("open the rules of a session", opening, "CPU s")
    bars = _bars(lake)
    copying = min(
        spent(lambda: evaluation.use_rows(table_of(columns_of(bars), SESSION.date, "benchmark"))).cpu for _ in range(20)
    )
    yield Figure(f"copy {symbols:,} live bars for the rules", 1e3 * copying, "ms CPU")
    feed = FeedState(clock=SESSION.closes / 1000)
    evaluation.evaluate(feed)
    rows = table_of(columns_of(bars), SESSION.date, "benchmark")
    runs = []
    for _ in range(50):  # as in a stream: with the tables that are made again now and then
        evaluation.use_rows(rows)
        runs.append(spent(lambda: evaluation.evaluate(feed)).cpu)
    running = sum(runs) / len(runs)
    what = f"the {len(evaluation.rules)} shipped rules on {symbols:,} live bars"
    yield Figure(what, 1e3 * running, "ms CPU", None if quick else MAX_MILLISECONDS)
    assert not evaluation.errors
    assert not evaluation.waiting
    evaluation.close()


def _stream(lake: Lake, symbols: int, quick: bool) -> Iterator[Figure]:
    """Measure decode, fold and rules, which run every second as in a stream, on one core."""
    names = [f"S{number:04d}" for number in range(symbols)]
    feed = frames(seconds(names, 5 if quick else 250), 100)
    alerts = StreamAlerts(SessionAlerts(lake, DAY), SESSION, "benchmark", None)
    events = 0

    def run() -> None:
        nonlocal events
        fold = Fold(SESSION)
        events = 0
        for number, frame in enumerate(feed):
            decoded = decode(frame, fold.counts)
            alerts.note(fold.apply(position_of(number + 1), decoded), decoded)
            events += len(decoded)
            if alerts.is_due:
                alerts.evaluate(*alerts.snapshot(fold.bars.values()))

    took = min(spent(run).cpu for _ in range(3))
    yield Figure(
        "decode and fold, and the rules every second",
        1e6 * took / events,
        "µs CPU per event",
        None if quick else MAX_MICROSECONDS,
    )
    alerts.alerts.close()


def _bars(lake: Lake) -> list[Bar]:
    """Return live bars near the last closes; one in fifty has moved by 6 %."""
    with lake.session() as con:
        closes = con.execute("SELECT symbol, close, volume_20 FROM carried ORDER BY symbol").fetchall()
    bars = []
    for number, (symbol, before, volume) in enumerate(closes):
        close = before * (1.06 if number % 50 == 7 else 1 + (number % 11 - 5) / 1000)
        bar = Bar(symbol, before, volume=round(volume / 2) * SCALE, events=100, total=0, at=SESSION.opens)
        bar.open, bar.close = before, close
        bar.high, bar.low = max(before, close), min(before, close)
        bars.append(bar)
    return bars


def _lake(folder: Path, symbols: int, years: int) -> Lake:
    """Return a lake whose last bars are of the session before the feed's."""
    lake = Lake(str(folder))
    lake.prepare(MARKETS["US"], DAY)
    days = [day.date() for day in MARKETS["US"].schedule(DAY.year).index if day.date() < DAY][-years * 252 :]
    with duckdb.connect() as con:
        make_bars(con, symbols, days)
        write_history(con, folder, days)
    consolidate.run({}, lake)
    return lake


if __name__ == "__main__":
    main("Alerts", measure)
