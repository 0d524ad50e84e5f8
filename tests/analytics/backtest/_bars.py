"""Helpers: tables of bars written as text, a strategy that follows a script of actions, and readers of results."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from stockstream import analytics
from stockstream.analytics.backtest import Action, Data, Order, Portfolio, Result, Strategy, Transaction, backtest

FIRST = date(2024, 1, 1)
SRC = "bars_of_mine"
SCHEMA = pa.schema(
    [("symbol", pa.string()), ("date", pa.date32())]
    + [(name, pa.float64()) for name in ("open", "high", "low", "close", "volume", "dividend", "split_ratio")]
)
FREE: dict[str, Any] = {"initial_capital": 1000, "commission": "zero", "borrow_rate": 0, "interest_rate": 0}
"""The settings of the tests' account: no costs, unless a test overrides them."""

Script = Mapping[int, Action | Sequence[Action]]
"""Actions per day number: decided after the close of that day, for AAA unless they name another symbol."""


def day(number: int) -> date:
    """Return the date of a day number: 1 is 2024-01-01, 2 the next calendar day."""
    return FIRST + timedelta(days=number - 1)


def number(date: date) -> int:
    """Return the day number of a date."""
    return (date - FIRST).days + 1


def table(text: str) -> pa.Table:
    """Return a table of bars from text: per line symbol (default AAA), day number, open, high, low, close and volume.

    `-` is NULL; `dividend=0.5` and `split=2` may follow.
    """
    rows = []
    for line in filter(None, map(str.strip, text.splitlines())):
        words = line.split()
        symbol = words.pop(0) if words[0].isalpha() else "AAA"
        options = dict(word.split("=") for word in words if "=" in word)
        numbers = [None if word == "-" else float(word) for word in words[1:6]]
        actions = [float(options.get("dividend", 0)), float(options.get("split", 1))]
        rows.append((symbol, day(int(words[0])), *numbers, *actions))
    return table_of(rows)


def of(symbol: str, bars: str) -> str:
    """Return the same bars for another symbol."""
    return "\n".join(f"{symbol} {line}" for line in filter(None, map(str.strip, bars.splitlines())))


def table_of(rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    """Return a table of rows with the columns of `SCHEMA`."""
    return pa.table(dict(zip(SCHEMA.names, zip(*rows, strict=True), strict=True)), schema=SCHEMA)


@cache
def connection() -> DuckDBPyConnection:
    """Return a connection to an empty lake, for tables of bars."""
    return analytics.connect(str(Path(tempfile.gettempdir()) / "stockstream-no-lake"))


class Scripted(Strategy):
    """Follows a script; records the filled orders, and the number of open orders at each close."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.filled: list[Order] = []
        self.open: list[int] = []

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Return no action."""

    def on_bar_end(self, date: date, portfolio: Portfolio) -> list[Action]:
        """Follow the script."""
        self.open.append(len(portfolio.orders))
        answer = self.script.get(number(date), ())
        actions = [answer] if isinstance(answer, Action) else list(answer)
        for action in actions:
            action.symbol = action.symbol or "AAA"
        return actions

    def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:
        """Record the order."""
        self.filled.append(order)


def trade(strategy: Strategy | Script, bars: str | pa.Table, **settings: Any) -> Result:
    """Run a strategy or a script on bars, with the account `FREE` unless settings override it."""
    con = connection()
    con.register(SRC, table(bars) if isinstance(bars, str) else bars)
    actor = strategy if isinstance(strategy, Strategy) else Scripted(strategy)
    return backtest(actor, con=con, src=SRC, **{**FREE, **settings})


def play(strategy: Strategy | Script, bars: str | pa.Table, **settings: Any) -> Result:
    """Run a strategy or a script, and fail if it ends with an error."""
    result = trade(strategy, bars, **settings)
    assert result.error is None, result.error
    return result


def fill(transaction: Transaction) -> tuple[int, float, float]:
    """Return the day number, the shares and the price of a fill."""
    return number(transaction.date), transaction.quantity, transaction.price


def fills(result: Result, symbol: str = "AAA") -> list[tuple[int, float, float]]:
    """Return a symbol's fills: day number, shares, price."""
    return [fill(one) for one in result.transactions if one.symbol == symbol]


def notes(result: Result) -> list[tuple[int, str | None, str]]:
    """Return the notes of a result: day number, symbol, text."""
    return [(number(note.date), note.symbol, note.text) for note in result.notes]


def columns(result: Result, name: str) -> list[float]:
    """Return a column of the curve."""
    values: list[float] = getattr(result.curve, name).tolist()
    return values
