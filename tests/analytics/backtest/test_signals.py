"""Strategies that are declared by conditions: the same result as the strategy that is written out, bar by bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stockstream.analytics.backtest import Action, Data, Portfolio, Result, SignalStrategy, Strategy, search
from stockstream.sql.errors import UsageError
from tests.analytics.backtest._bars import FREE, day, fills, notes, play, table_of, trade

SYMBOLS = tuple("ABCDEFGHI")
"""So many that the engine selects the rows of a session: `engine/selection.py`, FEW."""
CONDITIONS: dict[str, Callable[[Data], bool]] = {
    "close > open": lambda data: data.close > data.open,
    "close < open": lambda data: data.close < data.open,
    "close >= 5": lambda data: data.close >= 5,
    "close < 10 OR volume > 500": lambda data: data.close < 10 or (data.volume is not None and data.volume > 500),
    "volume > 50": lambda data: data.volume is not None and data.volume > 50,
    "lag_close_1 < close": lambda data: data.lag_close_1 is not None and data.lag_close_1 < data.close,
    "true": lambda data: True,
}
"""Each condition, and what it means in Python."""
CURVE = ("equity", "cash", "long", "short")

Size = Callable[[str, Data, Portfolio], float]
SIZES: dict[str, Size] = {
    "shares": lambda symbol, data, portfolio: 20,
    "short": lambda symbol, data, portfolio: -7.5,
    "both": lambda symbol, data, portfolio: 10 if data.close > 5 else -10,
    "equity": lambda symbol, data, portfolio: int(portfolio.equity / 2 / data.close),
    "too many": lambda symbol, data, portfolio: 10_000,
    "none": lambda symbol, data, portfolio: 0,
}


class Declared(SignalStrategy):
    """Declares when to enter and to leave."""

    columns = ("lag(close, 1)",)

    def __init__(self, entry: str, exit: str, size: Size, stop: float | None = None) -> None:
        self.entry, self.exit, self._size, self._stop = entry, exit, size, stop

    def size(self, symbol: str, data: Data, portfolio: Portfolio) -> float:
        return self._size(symbol, data, portfolio)

    def enter(self, symbol: str, data: Data, portfolio: Portfolio) -> Any:
        if self._stop is None:
            return super().enter(symbol, data, portfolio)
        return Action.buy(15, limit=data.close * (1 - self._stop / 2), stop_loss=data.close * (1 - self._stop))


class Written(Strategy):
    """Decides the same in an `on_data` of its own."""

    columns = ("lag(close, 1)",)

    def __init__(self, entry: str, exit: str, size: Size, stop: float | None = None) -> None:
        self._entry, self._exit, self._size, self._stop = CONDITIONS[entry], CONDITIONS[exit], size, stop

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
        if symbol in portfolio.positions:
            return Action.close() if self._exit(data) else None
        if not self._entry(data) or any(order.symbol == symbol for order in portfolio.orders):
            return None
        if self._stop is not None:
            return Action.buy(15, limit=data.close * (1 - self._stop / 2), stop_loss=data.close * (1 - self._stop))
        shares = self._size(symbol, data, portfolio)
        return (Action.buy(shares) if shares > 0 else Action.sell(-shares)) if shares else None


price = st.sampled_from([2.0, 4.75, 5.0, 5.25, 8.0, 10.0, 20.0])
bar = st.tuples(
    st.tuples(price, price, price, price),
    st.sampled_from([1000.0, 100.0, 19.0, 0.0, None]),
    st.sampled_from([0.0] * 6 + [0.25, 1.0]),
    st.sampled_from([1.0] * 8 + [2.0, 1.5, 0.1]),
)
session = st.tuples(*[st.one_of(bar, bar, bar, bar, bar, st.none()) for _ in SYMBOLS])
account = st.fixed_dictionaries(
    {
        "initial_capital": st.sampled_from([200, 1000, 100_000]),
        "leverage": st.sampled_from([1, 2]),
        "allow_short": st.booleans(),
        "volume_limit": st.sampled_from([None, 0.1]),
        "fill_at": st.sampled_from(["open", "close", "vwap"]),
        "commission": st.sampled_from(["zero", "0.1%", "0.01/share"]),
        "slippage": st.sampled_from(["none", "50bps"]),
        "borrow_rate": st.sampled_from([0, 0.1]),
        "interest_rate": st.sampled_from([0, 0.2]),
        "at_end": st.sampled_from(["hold", "close"]),
        "delist_after": st.sampled_from([1, 2, 21]),
        "prices": st.sampled_from(["as_traded", "adjusted"]),
    }
)


def everything(result: Result) -> dict[str, Any]:
    """Return all of a result that an account has, for a comparison to the last bit."""
    return {
        "trades": result.closed_positions,
        "open": result.open_positions,
        "fills": result.transactions,
        "orders": [asdict(order) for order in result.orders],
        "ledger": result.ledger,
        "costs": result.costs,
        "notes": result.notes,
        "metrics": result.metrics,
        "dates": result.curve.dates,
        **{name: getattr(result.curve, name).tolist() for name in CURVE},
    }


def row(symbol: str, number: int, bar: Any) -> tuple[Any, ...]:
    (open_, high, low, close), volume, dividend, split = bar
    prices = (open_, high, low, close)
    return symbol, day(number), open_, max(prices), min(prices), close, volume, dividend, split


RISE = [((4.0, 8.0, 2.0, 8.0), 1000.0, 0.0, 1.0)] * len(SYMBOLS)
FALL = [((8.0, 8.0, 2.0, 4.0), 1000.0, 0.25, 2.0)] * len(SYMBOLS)


@given(
    st.lists(session, min_size=3, max_size=10),
    st.sampled_from(sorted(CONDITIONS)),
    st.sampled_from(sorted(CONDITIONS)),
    st.sampled_from(sorted(SIZES)),
    st.sampled_from([None, None, 0.1]),
    account,
)
@example([RISE, FALL, RISE, FALL, RISE], "close > open", "close < open", "equity", None, {"initial_capital": 1000})
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_declared_strategy_has_the_result_of_the_one_that_is_written_out(
    bars: list[Any], entry: str, exit: str, size: str, stop: float | None, account: dict[str, Any]
) -> None:
    rows = [
        row(symbol, 2 + number, one)
        for number, session in enumerate(bars)
        for symbol, one in zip(SYMBOLS, session, strict=True)
        if one is not None
    ]
    if not rows:
        return
    results = [
        trade(strategy(entry, exit, SIZES[size], stop), table_of(rows), **{**FREE, **account})
        for strategy in (Declared, Written)
    ]
    declared, written = map(everything, results)
    assert str(declared) == str(written)  # as texts, in which NaN equals itself


BARS = """
    1  10 11  9 10 1000
    2  10 13 10 12 1000
    3  13 15 13 14 1000
    4  14 14 10 10    -
    5   9 10  8  9 1000
"""
TEN = SIZES["shares"]


def test_an_entry_and_an_exit_fill_in_the_session_after_their_conditions() -> None:
    result = play(Declared("close > 11", "close < 11", TEN), BARS)
    assert fills(result) == [(3, 20, 13), (5, -20, 9)]


def test_a_negative_size_sells_short_and_a_size_of_0_is_no_order() -> None:
    assert fills(play(Declared("close > 11", "close < 11", SIZES["short"]), BARS)) == [(3, -7.5, 13), (5, 7.5, 9)]
    nothing = play(Declared("close > 11", "close < 11", SIZES["none"]), BARS)
    assert (fills(nothing), notes(nothing)) == ([], [])


def test_an_unknown_value_is_neither_an_entry_nor_an_exit() -> None:
    assert fills(play(Declared("volume > 0 AND close < 11", "volume IS NULL", TEN), BARS)) == [(2, 20, 10), (5, -20, 9)]
    assert fills(play(Declared("NOT volume > 0", "true", TEN), BARS)) == []


def test_a_condition_may_end_with_a_comment_and_contain_quotes() -> None:
    sql = """"close" > 11 AND symbol = 'AAA' -- the day's close"""
    assert fills(play(Declared(sql, "close < 11", TEN), BARS)) == [(3, 20, 13), (5, -20, 9)]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("closes > 5", "the condition closes > 5: .*closes"),
        ("close >", "the condition close >: "),
        ("close > bollinger(2, 2)", r"bollinger\(2, 2\) has several columns: name one of them"),
        ("", "Declared: entry is no SQL condition, such as entry = 'close > sma"),
        ("close + 1", r"the condition close \+ 1 is of the type DOUBLE: write one that is true or false"),
    ],
)
def test_a_condition_that_cannot_be_is_one_message(entry: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        trade(Declared(entry, "true", TEN), BARS)


def test_a_condition_calls_indicators_that_are_no_columns() -> None:
    result = play(Declared("abs(close - sma(2)) >= 1 AND close > sma(2)", "lag(close, 2) > close", TEN), BARS)
    assert fills(result) == [(3, 20, 13), (5, -20, 9)]
    error = trade(Reading("close > sma(2)", "false", TEN), BARS).error
    assert error is not None
    assert "data has no sma_2: it has open, high, low, close, volume, adjusted_close, lag_close_1" in error


class Reading(Declared):
    """Reads a column that only the condition has."""

    def size(self, symbol: str, data: Data, portfolio: Portfolio) -> float:
        return float(data.sma_2)


class Overridden(Declared):
    """Never enters."""

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Return no order."""


def test_an_on_data_of_its_own_decides_instead() -> None:
    assert fills(play(Overridden("true", "false", TEN), BARS)) == []


class Above(SignalStrategy):
    """Holds a symbol above an average."""

    def __init__(self, n: int = 3) -> None:
        self.entry, self.exit = f"close > sma({n})", f"close < sma({n})"

    def size(self, symbol: str, data: Data, portfolio: Portfolio) -> float:
        return 10


def test_the_conditions_of_a_search_depend_on_its_parameters(lake: str) -> None:
    combinations = [{"n": 3}, {"n": 10}]
    both = search(Above, combinations, lake, jobs=1)
    alone = [search(Above, [one], lake, jobs=1).trials[0] for one in combinations]
    assert [trial.equity.tolist() for trial in both.trials] == [trial.equity.tolist() for trial in alone]
    assert both.trials[0].equity.tolist() != both.trials[1].equity.tolist()
