"""Strategies that are declared: a condition for the entry, one for the exit, and a size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import date
from typing import Any

from stockstream.analytics.backtest.model.actions import Action
from stockstream.analytics.backtest.model.data import Data
from stockstream.analytics.backtest.model.portfolio import Portfolio
from stockstream.analytics.backtest.model.strategy import Actions, Strategy
from stockstream.sql.errors import UsageError


class SignalStrategy(Strategy):
    """Base class: a strategy whose decisions are SQL conditions on the columns of each bar.

    A subclass sets `entry` and `exit`, as attributes of the class or in `__init__`, and defines `size`. It decides as
    its `on_data` says, which the engine calls only for bars whose conditions ask for an order: a symbol without a
    position whose `entry` is true, or one with a position whose `exit` is.
    """

    entry: str
    """When to open a position: an SQL condition on the columns of `data` and on indicators, such as
    `sma(20) > sma(50) AND volume > 1000`. NULL counts as false."""
    exit: str
    """When to close it."""

    _columns: Sequence[str] = ()

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Move the class's attribute `columns` out of the way of the property."""
        super().__init_subclass__(**keywords)
        if "columns" in vars(cls):
            cls._columns = vars(cls)["columns"]
            del cls.columns

    @property
    def columns(self) -> Sequence[str]:
        """The columns of `data`, and the two conditions.

        Raises:
            UsageError: the strategy has no entry or no exit.
        """
        for name in ("entry", "exit"):
            if not (isinstance(sql := getattr(self, name, None), str) and sql.strip()):
                example = f"{name} = 'close > sma(20)'"
                raise UsageError(f"{type(self).__name__}: {name} is no SQL condition, such as {example}")
        return (*self._columns, condition(self.entry), condition(self.exit))

    @columns.setter
    def columns(self, columns: Sequence[str]) -> None:
        self._columns = columns

    @abstractmethod
    def size(self, symbol: str, data: Data, portfolio: Portfolio) -> float:
        """Return the shares of an entry: negative to sell short, 0 for no order."""

    def enter(self, symbol: str, data: Data, portfolio: Portfolio) -> Actions:
        """Return the orders of an entry: a market order for `size` shares. Override it for limits and stops."""
        shares = self.size(symbol, data, portfolio)
        return Action(shares) if shares else None

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Actions:
        """Close a position at its exit; enter at the entry if there is neither a position nor an open order."""
        if symbol in portfolio.positions:
            return Action.close() if data[condition(self.exit)] else None
        if data[condition(self.entry)] and not portfolio.open_orders(symbol):
            return self.enter(symbol, data, portfolio)
        return None


def condition(sql: str) -> str:
    """Return the column that is 1 where an SQL condition is true, and 0 elsewhere."""
    return f"condition({sql})"


def conditions_of(strategy: Strategy) -> tuple[str, str] | None:
    """Return the columns of entry and exit; None if the strategy decides in an `on_data` of its own."""
    if isinstance(strategy, SignalStrategy) and type(strategy).on_data is SignalStrategy.on_data:
        return condition(strategy.entry), condition(strategy.exit)
    return None
