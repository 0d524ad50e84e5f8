"""What a strategy is: a class that is told of each bar and answers with orders."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Self

from stockstream.analytics.backtest.model.data import Data
from stockstream.analytics.backtest.model.orders import Action, Order
from stockstream.analytics.backtest.model.portfolio import Portfolio

Actions = Action | Iterable[Action] | None


class Strategy(ABC):
    """Decides on the close of each session what is to be traded in the next one.

    A subclass names the columns it looks at, decides in `on_data`, and may keep state in itself. Its parameters are
    those of `__init__`, each with a default; `self.columns` may be set there.
    """

    columns: Sequence[str] = ()
    """What `data` has beside open, high, low, close and volume: indicators such as `sma(20)`, `rsi_14` or
    `ema(12, volume)` (`stockstream indicators list`), with the names `sma_20`, `rsi_14` and `ema_12_volume`; and
    `adjusted_close`, with all splits and dividends up to its day reinvested, to be compared over time."""
    query: ClassVar[str | None] = None
    """SQL of one's own on the views of the lake: symbol, date and whatever columns, which `data` has, too."""

    params: Mapping[str, Any]
    """What `__init__` was called with, defaults included."""

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """Remember the parameters, for the report."""
        self = super().__new__(cls)
        try:
            bound = inspect.signature(cls).bind(*arguments, **named)
        except TypeError:
            self.params = {}  # __init__ says it better
        else:
            bound.apply_defaults()
            self.params = bound.arguments
        return self

    @abstractmethod
    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Actions:
        """Decide on a symbol's bar, once the session is over; called by symbol, for each that was traded."""

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:  # noqa: B027
        """Prepare, before the first session; `symbols` are all that have a bar."""

    def on_bar_end(self, date: date, portfolio: Portfolio) -> Actions:  # noqa: B027
        """Decide on the whole portfolio, once `on_data` has seen every bar of the session; name the symbols."""

    def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:  # noqa: B027
        """Take note of a fill, in full or in part, once it is in the portfolio."""

    def on_finish(self, portfolio: Portfolio) -> None:  # noqa: B027
        """Take note of the end, after the last session."""
