"""When the methods of a strategy are called, and which values its `data` has."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pytest

from stockstream.analytics.backtest import (
    Action,
    Data,
    MovingAverageCrossover,
    Order,
    Portfolio,
    Strategy,
)
from stockstream.analytics.backtest.runs.parameters import parameter_space
from stockstream.sql.errors import UsageError
from tests.analytics.backtest._bars import SRC, day, number, play, trade

BARS = """
    2   10   11    9   10  1000
    3   11   13   10   12  1100
    4   12   12.5  8    9     -
    5    9   10    7    8  1300
"""


class Diary(Strategy):
    """Records each call; buys five shares on day 2, more than the volume limit allows in one session."""

    columns = ("sma(2)",)

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:
        """Record the symbols."""
        self.calls.append(("start", tuple(symbols), portfolio.cash))

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Record the bar."""
        self.calls.append(("data", number(date), symbol, data.close, portfolio.quantity("AAA")))
        return Action.buy(5) if number(date) == 2 and symbol == "AAA" else None

    def on_bar_end(self, date: date, portfolio: Portfolio) -> None:
        """Record the session."""
        self.calls.append(("end", number(date), portfolio.equity))

    def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:
        """Record the fill."""
        self.calls.append(("filled", order.symbol, order.filled, order.status.value, portfolio.quantity("AAA")))

    def on_finish(self, portfolio: Portfolio) -> None:
        """Record the equity."""
        self.calls.append(("finish", portfolio.equity))


def test_the_methods_are_called_when_promised() -> None:
    """10 % of 30 shares fill on day 3, the rest on day 4; BBB has no bar on day 3."""
    bars = "2 10 10 10 10 30 \n 3 11 12 11 12 30 \n 4 13 13 13 13 30 \n BBB 2 1 1 1 1 1 \n BBB 4 2 2 2 2 1"
    diary = Diary()
    play(diary, bars, volume_limit=0.1)
    assert diary.calls == [
        ("start", ("AAA", "BBB"), 1000),
        ("data", 2, "AAA", 10, 0),
        ("data", 2, "BBB", 1, 0),
        ("end", 2, 1000),
        ("filled", "AAA", 3, "open", 3),
        ("data", 3, "AAA", 12, 3),
        ("end", 3, 1003),
        ("filled", "AAA", 5, "filled", 5),
        ("data", 4, "AAA", 13, 5),
        ("data", 4, "BBB", 2, 5),
        ("end", 4, 1006),
        ("finish", 1006),
    ]  # fmt: skip


class Recorder(Strategy):
    """Records the data of each bar."""

    columns = ("sma(2)", "rsi_2", "ema(2, volume)", "adjusted_close")

    def __init__(self) -> None:
        self.bars: list[dict[str, Any]] = []
        self.views: list[Data] = []

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Check all ways to read a value, and record the bar."""
        assert data["close"] == data.close == portfolio.price(symbol)
        assert data["sma(2)"] == data.sma_2 == data["sma_2"]
        assert data["ema(2, volume)"] == data.ema_2_volume
        assert "sma_2" in data
        assert data.get("nothing") is None
        with pytest.raises(AttributeError, match="data has no nothing: it has open, high"):
            _ = data.nothing
        self.bars.append(dict(data))
        self.views.append(data)


def test_data_has_the_bar_and_the_strategys_columns_by_name_and_as_attributes() -> None:
    recorder = Recorder()
    play(recorder, BARS)
    assert list(recorder.bars[0]) == [
        "open", "high", "low", "close", "volume", "adjusted_close", "sma_2", "rsi_2", "ema_2_volume",
    ]  # fmt: skip
    assert [bar["open"] for bar in recorder.bars] == [10, 11, 12, 9]
    assert [bar["volume"] for bar in recorder.bars] == [1000, 1100, None, 1300]
    assert [bar["sma_2"] for bar in recorder.bars] == [None, 11, 10.5, 8.5]


def test_data_is_none_while_an_indicator_warms_up() -> None:
    recorder = Recorder()
    play(recorder, BARS)
    assert [bar["rsi_2"] is None for bar in recorder.bars] == [True, True, False, False]


def test_an_indicator_is_warm_at_the_start_date_where_there_are_bars_before() -> None:
    recorder = Recorder()
    play(recorder, BARS, start=date(2024, 1, 4))
    assert [bar["sma_2"] for bar in recorder.bars] == [10.5, 8.5]


def test_data_that_a_strategy_keeps_stays_at_its_bar() -> None:
    recorder = Recorder()
    play(recorder, BARS)
    assert [view.close for view in recorder.views] == [bar["close"] for bar in recorder.bars] == [10, 12, 9, 8]
    assert len(set(map(id, recorder.views))) == 4


def test_the_bar_before_can_be_kept() -> None:
    class Rising(Strategy):
        before: Data | None = None

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
            is_higher = self.before is not None and data.close > self.before.close
            self.before = data
            return Action.buy(1) if is_higher else None

    result = play(Rising(), BARS)
    assert [(fill.date.day, fill.price) for fill in result.transactions] == [(4, 12)]


@pytest.mark.parametrize("method", ["on_start", "on_order_filled", "on_finish"])
def test_an_answer_that_would_be_ignored_is_an_error(method: str) -> None:
    answer = {method: lambda self, *arguments: Action.sell(1)}
    strategy = type("Answering", (Recorder,), {"on_data": lambda self, *arguments: Action.buy(1), **answer})
    result = trade(strategy(), BARS)
    assert result.error is not None
    assert f"{method} returned Action(" in result.error


@pytest.mark.parametrize("shares", [np.int64(3), np.floor(3.5), np.float32(3)])
def test_numbers_of_numpy_are_numbers(shares: Any) -> None:
    result = play({2: Action.buy(shares, stop_loss=np.float64(8.5))}, BARS)
    assert [(fill.quantity, fill.price) for fill in result.transactions] == [(3, 11), (-3, 8.5)]
    assert json.loads(json.dumps([fill.quantity for fill in result.transactions])) == [3, -3]


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL(9, 2)"])
def test_a_query_adds_numbers_whatever_their_type_in_sql(kind: str) -> None:
    class Query(Strategy):
        query = f"SELECT symbol, date, (2 * close)::{kind} AS twice FROM {SRC} WHERE date > '2024-01-02'"
        values: list[Any] = []  # noqa: RUF012

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            self.values.append(None if data.twice is None else 0.5 * data.twice)

    strategy = Query()
    play(strategy, BARS)
    assert strategy.values == [None, 12, 9, 8]


def test_a_query_adds_texts_dates_and_booleans() -> None:
    class Query(Strategy):
        query = f"SELECT symbol, date, date - 1 AS eve, close > 9 AS dear, 'x' || volume AS text FROM {SRC}"
        values: list[Any] = []  # noqa: RUF012

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            self.values.append((data.eve, data.dear, data.text))

    strategy = Query()
    play(strategy, BARS)
    assert strategy.values[1:3] == [(date(2024, 1, 2), True, "x1100.0"), (date(2024, 1, 3), False, None)]


class NoInit(Strategy):
    """A strategy without `__init__`."""

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Return no action."""


def test_a_strategy_without_init_has_no_parameters() -> None:
    assert NoInit().params == {}
    assert play(NoInit(), BARS).setup["params"] == {}
    with pytest.raises(TypeError, match="NoInit has no __init__, so that it takes no parameters"):
        NoInit(5)
    with pytest.raises(UsageError, match="NoInit has no parameter fast: it takes none"):
        parameter_space(NoInit, ["fast=5"])


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT"])
def test_a_query_has_none_for_nan(kind: str) -> None:
    class Query(NoInit):
        query = f"SELECT symbol, date, CAST('nan' AS {kind}) AS gap, CAST('inf' AS {kind}) AS most FROM {SRC}"

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            assert data.gap is None
            assert data.most == math.inf

    play(Query(), BARS)


def test_a_query_without_a_row_in_the_range_is_an_error() -> None:
    class Early(NoInit):
        query = f"SELECT symbol, date, 1 AS one FROM {SRC} WHERE date = DATE '{day(2)}'"

    assert play(Early(), BARS).transactions == []
    with pytest.raises(UsageError, match=f"has no row for any bar from {day(3)}: its symbol and date"):
        play(Early(), BARS, start=day(3))


def test_a_strategy_remembers_its_parameters_with_their_defaults() -> None:
    assert MovingAverageCrossover(5, slow=7).params == {"fast": 5, "slow": 7, "percent": 95}
