"""The result of a run does not depend on how its rows are streamed."""

from __future__ import annotations

import gc
import math
import tempfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from stockstream import analytics
from stockstream.analytics.backtest import Action, Data, MovingAverageCrossover, Portfolio, Strategy, backtest
from stockstream.analytics.backtest.feed import open_feed
from stockstream.analytics.backtest.model import Setup
from tests.analytics.backtest._bars import FIRST, play, table_of, trade


class Turning(Strategy):
    """Buys after a fall and sells after a rise, so that each session depends on all earlier ones."""

    columns = ("roc(1)", "sma(20)")

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Buy after a fall, close after a rise."""
        if data.roc_1 is None or data.sma_20 is None:
            return None
        if data.roc_1 < -1 and symbol not in portfolio.positions:
            return Action.buy(1 + int(portfolio.cash / 1000), stop_loss=0.9 * data.close)
        return Action.close() if data.roc_1 > 1 else None


def wavy_bars(symbols: int, days: int) -> pa.Table:
    """Return bars with splits, dividends, and days without a bar."""
    rows = []
    for at in range(days):
        for which in range(symbols):
            if (at + which) % 17 == 3:
                continue  # not traded
            close = 50 + 10 * math.sin(at / 9 + which) + (at * 7919 + which * 31) % 13 / 10
            opened = close * (1 + ((at * 31 + which) % 7 - 3) / 200)
            day = date.fromordinal(FIRST.toordinal() + at)
            split = 2.0 if (at + 1) % 400 == 0 else 1.0
            rows.append(
                (f"S{which}", day, opened, 1.02 * close, 0.97 * close, close, 900.0, 0.01 * (at % 60 == 0), split)
            )
    return table_of(rows)


@pytest.mark.parametrize(
    "small",
    [
        {"sessions.BLOCK": 2048},
        {"sessions.BLOCK": 2048, "source.CELLS": 12_000},
        {"source.CELLS": 12_000, "source.CELLS_IN_MEMORY": 0},
        {"sessions.BLOCK": 2048, "source.CELLS": 24_000, "source.CELLS_IN_MEMORY": 0},
    ],
)
def test_a_run_is_the_same_however_its_rows_are_streamed(
    small: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,048 rows of seven symbols are not a whole number of sessions; 12,000 values are one or two symbols.

    They are merged in memory, or in files if that has no room.
    """
    bars, ends = wavy_bars(7, 900), []

    def count(done: int, total: int) -> None:
        ends.append(done)

    one = play(Turning(), bars, initial_capital=100_000, on_sessions=count)
    assert ends == [899, 900], "the last session might go on"
    ends.clear()
    for name, value in small.items():
        monkeypatch.setattr(f"stockstream.analytics.backtest.feed.{name}", value)
    many = play(Turning(), bars, initial_capital=100_000, on_sessions=count)
    assert ends != [899, 900]
    assert ends[-1] == 900
    assert one.transactions == many.transactions
    assert len(one.transactions) > 500
    for name in ("dates", "equity", "cash", "long", "short"):
        assert list(getattr(one.curve, name)) == list(getattr(many.curve, name))


def test_a_run_on_a_lake_leaves_no_file(lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    result = backtest(MovingAverageCrossover(2, 5), lake)
    assert result.transactions
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_feed_of_a_lake_can_be_read_twice(lake: str) -> None:
    with analytics.connect(lake) as con:
        feed = open_feed(con, Setup(symbols=("aaa",)), ["sma(3)"])
        once, twice = [pa.Table.from_batches(feed.rows()) for _ in range(2)]
    assert once.num_rows == 60
    assert set(once["symbol"].to_pylist()) == {"AAA"}
    assert once.equals(twice)


def test_rows_in_any_order_are_decided_by_day_and_then_by_symbol() -> None:
    """Also symbols beyond ASCII, and days that are further apart than numbers of 16 bits."""
    days = [date(1800, 1, 1), date(1990, 5, 1), date(1990, 5, 2), date(2200, 1, 1)]
    symbols = ["AA", "B", "a", "Ä", "日", "𝔸"]
    rows = [(symbol, day, 9.0, 9.0, 9.0, 9.0, 1.0, 0.0, 1.0) for symbol in symbols for day in days]
    seen: list[tuple[date, str]] = []

    class Noting(Strategy):
        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            seen.append((date, symbol))

    play(Noting(), table_of([*rows[1::2], *reversed(rows[::2])]))
    assert seen == [(day, symbol) for day in days for symbol in symbols]


def test_the_collector_is_left_as_it_was() -> None:
    """It passes over what exists before a block of sessions; objects that the process has frozen stay frozen."""
    counts: list[int] = []

    class Counting(Strategy):
        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            counts.append(gc.get_freeze_count())

    bars = "1 10 10 10 10 1000"
    play(Counting(), bars)
    assert (counts[0] > 0, gc.get_freeze_count()) == (True, 0)
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        play(Counting(), bars)
        assert 0 < gc.get_freeze_count() <= counts[1] <= before, "nothing is frozen besides, and nothing is thawed"
    finally:
        gc.unfreeze()


def test_a_run_with_an_error_leaves_the_collector_as_it_was() -> None:
    class Failing(Strategy):
        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            raise ValueError

    assert trade(Failing(), "1 10 10 10 10 1000").error is not None
    assert gc.get_freeze_count() == 0
