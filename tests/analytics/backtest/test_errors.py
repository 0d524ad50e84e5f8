"""Every error is one clear message, and the result up to the error is returned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from stockstream.analytics.backtest import Action, Data, Order, Portfolio, Strategy, backtest, rebalance
from stockstream.sql.errors import UsageError
from tests.analytics.backtest._bars import columns, connection, fills, play, table, trade

BARS = """
    2   10   10   10   10  1000
    3   11   11   11   11  1000
    4   12   12   12   12  1000
    BBB 3  5  5  5  5  1000
    BBB 4  6  6  6  6  1000
"""


# What cannot be run


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"symbols": ["AAA", "ZZZ"]}, "no bars of ZZZ: there is no such symbol$"),
        ({"symbols": ["AAB"]}, r"no bars of AAB: there is no such symbol; did you mean AAA\?"),
        (
            {"symbols": ["BBB"], "end": date(2024, 1, 2)},
            "no bars of BBB up to 2024-01-02: BBB has bars from 2024-01-03",
        ),
        ({"start": date(2025, 1, 1)}, "no bars from 2025-01-01 in bars_of_mine"),
        ({"symbols": []}, "symbols: name at least one"),
        (
            {"start": "2024-02-01", "end": "2024-01-01"},
            r"the range ends \(2024-01-01\) before it starts \(2024-02-01\)",
        ),
        ({"start": "soon"}, "start: Input should be a valid date"),
        ({"capital": 5}, "capital: Extra inputs are not permitted"),
        ({"initial_capital": 0}, "initial_capital: Input should be greater than 0"),
        ({"initial_capital": float("nan")}, "initial_capital"),
        ({"fill_at": "noon"}, "fill_at: Input should be 'open', 'close' or 'vwap'"),
        ({"prices": "raw"}, "prices: Input should be 'as_traded' or 'adjusted'"),
        ({"leverage": 0.5}, "leverage: Input should be greater than or equal to 1"),
        ({"leverage": 5}, "leverage 5 with a maintenance margin of 0.25: .* a margin call at once; use at most 4"),
        ({"volume_limit": 1.5}, "volume_limit: Input should be less than or equal to 1"),
        ({"at_end": "panic"}, "at_end: Input should be 'hold' or 'close'"),
        ({"benchmark": "ZZZ"}, "no bars of the benchmark ZZZ"),
    ],
)
def test_a_setting_that_cannot_be_is_one_message(options: Mapping[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        trade({}, BARS, **options)
    assert "\n" not in str(caught.value)


def test_a_table_that_cannot_be_traded_is_one_message() -> None:
    with pytest.raises(UsageError, match="there is no table nowhere to trade on"):
        backtest(Raising("nothing"), con=connection(), src="nowhere")
    with pytest.raises(UsageError, match="bars_of_mine cannot be traded: it has no high, low"):
        play({}, table(BARS).drop_columns(["low", "high"]))
    with pytest.raises(UsageError, match="more than one row of AAA on 2024-01-02"):
        play({}, "2 1 1 1 1 1 \n 2 1 1 1 1 1 \n 3 1 1 1 1 1")


class Raising(Strategy):
    """Buys AAA in the first session; fails in the last one, or at the end, in the method `where`."""

    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, where: str) -> None:
        """Divide by zero if this is the method to fail in."""
        if self.where == where:
            _ = 1 / 0

    def on_start(self, symbols: Iterable[str], portfolio: Portfolio) -> None:
        """Fail here."""
        self.fail("on_start")

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        """Fail here on the last bar."""
        if data.close == 6:
            self.fail("on_data")
        return Action.buy(10) if data.close in (10, 11) and symbol == "AAA" else None

    def on_bar_end(self, date: date, portfolio: Portfolio) -> None:
        """Fail here on the last session."""
        if date.day == 4:
            self.fail("on_bar_end")

    def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:
        """Fail here at the second fill."""
        if len(portfolio.transactions) == 2:
            self.fail("on_order_filled")

    def on_finish(self, portfolio: Portfolio) -> None:
        """Fail here."""
        self.fail("on_finish")


@pytest.mark.parametrize(
    ("where", "message", "sessions"),
    [
        ("on_start", "Raising.on_start failed: ZeroDivisionError: division by zero", 0),
        ("on_data", "Raising.on_data failed on 2024-01-04 at BBB: ZeroDivisionError: division by zero", 2),
        ("on_bar_end", "Raising.on_bar_end failed on 2024-01-04: ZeroDivisionError: division by zero", 2),
        ("on_order_filled", "Raising.on_order_filled failed on 2024-01-04 at AAA: ZeroDivisionError", 2),
        ("on_finish", "Raising.on_finish failed", 3),
    ],
)
def test_an_exception_names_its_method_day_and_symbol_and_the_result_up_to_it_is_kept(
    where: str, message: str, sessions: int
) -> None:
    result = trade(Raising(where), BARS)
    assert result.error is not None
    assert result.error.startswith(message)
    assert "test_errors.py, line" in result.error
    assert columns(result, "cash") == [1000, 890, 770][:sessions]
    assert fills(result) == ([(3, 10, 11), (4, 10, 12)] if sessions else [])
    assert bool(result.metrics) == bool(sessions)


class Answers(Strategy):
    """Returns `answer` in the second session, from `on_data` at AAA or from `on_bar_end`."""

    def __init__(self, answer: Any, at_end: bool = False) -> None:
        self.answer, self.at_end = answer, at_end

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Any:
        """Return the answer at AAA's bar."""
        if self.at_end or date.day != 3 or symbol != "AAA":
            return Action.buy(1) if date.day == 2 else None
        return self.answer

    def on_bar_end(self, date: date, portfolio: Portfolio) -> Any:
        """Return the answer at the end of the session."""
        return self.answer(portfolio) if self.at_end and date.day == 3 else None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Action.buy(5, symbol="ZZZ"), "an order for ZZZ, which has no bar in this run: is it one of the symbols?"),
        (Action.buy(float("nan")), "an order for nan shares of AAA"),
        (Action.buy(1, limit=-2), "an order for AAA with limit=-2: it must be a number above 0"),
        (Action.buy(1, stop=float("inf")), "an order for AAA with stop=inf: it must be a number above 0"),
        (Action.sell(1, take_profit=0), "an order for AAA with take_profit=0: it must be a number above 0"),
        (Action.sell(1, trail=1, trail_percent=1), "an order for AAA with trail and trail_percent: name one of them"),
        (Action.sell(1, trail=1, stop=9), "an order for AAA with a trailing stop and another price: name one of them"),
        (["buy"], "it returned 'buy': return an Action, several, or None"),
        ("buy", "it returned 'b"),
        (5, "it returned 5"),
        (Action.buy("5"), "an order for"),  # type: ignore[arg-type]
        (Action.buy(None), "an order for"),  # type: ignore[arg-type]
        (Action.buy(5, limit="9"), "an order for AAA with limit='9'"),  # type: ignore[arg-type]
    ],
)
def test_an_order_that_makes_no_sense_is_one_message_and_the_rest_is_kept(answer: Any, message: str) -> None:
    result = trade(Answers(answer), BARS)
    assert result.error is not None
    assert result.error.startswith(f"Answers on 2024-01-03 at AAA: {message}")
    assert (columns(result, "cash"), fills(result)) == ([1000], [(3, 1, 11)])


def outside(portfolio: Portfolio) -> Iterator[Action]:
    """Yield an action, then fail: a generator that is no method of a strategy."""
    yield Action.buy(1, symbol="AAA")
    raise RuntimeError("no more")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda portfolio: rebalance(portfolio, {"AAA": 10, "ZZZ": 10}),
            "an order for ZZZ, which has no bar in this run",
        ),
        (outside, "RuntimeError: no more"),
        (lambda portfolio: (Action.buy(1 / (size - size)) for size in (1,)), "ZeroDivisionError: "),
        (lambda portfolio: Action.buy(5), "an order"),
    ],
)
def test_what_fails_while_its_orders_are_read_is_the_strategys_error(answer: Any, message: str) -> None:
    """A generator runs only when the engine iterates over it."""
    result = trade(Answers(answer, at_end=True), BARS)
    assert result.error is not None
    assert result.error.startswith("Answers")
    assert "2024-01-03" in result.error
    assert message in result.error
    assert (columns(result, "cash"), fills(result)) == ([1000], [(3, 1, 11)])


def test_a_column_that_the_bars_do_not_have_is_named() -> None:
    class Asks(Strategy):
        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            _ = data["sma_20"]

    result = trade(Asks(), BARS)
    assert result.error is not None
    assert result.error.startswith("Asks.on_data failed on 2024-01-02 at AAA: ")
    assert "sma_20" in result.error
