"""The base class of strategies: it is called with each bar and returns orders."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from types import ModuleType
from typing import Any, ClassVar, Self

from stockstream.analytics.backtest.model.actions import Action
from stockstream.analytics.backtest.model.data import Data
from stockstream.analytics.backtest.model.orders import Order
from stockstream.analytics.backtest.model.portfolio import Portfolio
from stockstream.analytics.backtest.model.schedule import Schedule
from stockstream.sql.errors import UsageError

Actions = Action | Iterable[Action] | None


class Strategy(ABC):
    """Base class: a strategy decides after the close of each session what to trade in the next one.

    A subclass names the columns it needs, decides in `on_data`, and may keep state in itself. Its parameters are
    those of `__init__`, each with a default; `self.columns` may be set there.
    """

    columns: Sequence[str] = ()
    """The columns of `data` besides open, high, low, close and volume: indicators such as `sma(20)`, `rsi_14` or
    `ema(12, volume)` (`stockstream indicators list`), named `sma_20`, `rsi_14` and `ema_12_volume`; and
    `adjusted_close`, with all splits and dividends up to its day reinvested, which is comparable over time. Also lags
    and histories of these, `lag(close, 5)` and `history(rsi_14, 20)`, columns of longer bars, `weekly(sma(20))`, and
    `is_listed`: whether the lists of companies of the day had the symbol (the macro `symbols_on`); `listed_symbols` is
    a tuple of all that they had."""
    query: ClassVar[str | None] = None
    """An SQL query on the lake's views that returns symbol, date and further columns for `data`."""

    schedule: str | Sequence[str] = ()
    """Rules for the sessions of `on_schedule`: `month_start`, `month_end`, the same of week, quarter and year, with a
    number of sessions after the start or before the end (`month_start+2`, `month_end-1`), `monday` to `friday`, or
    `every 5` (sessions, from the first of the run). See `model/schedule.py`."""

    params: Mapping[str, Any]
    """The arguments of `__init__`, defaults included."""

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        """Record the parameters, for the report."""
        self = super().__new__(cls)
        try:
            bound = inspect.Signature(list(parameters_of(cls).values())).bind(*arguments, **keywords)
        except TypeError:
            if cls.__init__ is object.__init__:  # which would ignore the arguments
                raise TypeError(f"{cls.__name__} has no __init__, so that it takes no parameters") from None
            self.params = {}  # __init__ raises a better message than bind
        else:
            bound.apply_defaults()
            self.params = bound.arguments
        return self

    @abstractmethod
    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Actions:
        """Return orders, decided on a symbol's bar after the session; called per symbol that traded, sorted."""

    def on_start(self, symbols: Sequence[str], portfolio: Portfolio) -> None:  # noqa: B027
        """Prepare for a run, before the first session; `symbols` are all that have a bar in the range."""

    def on_bar_end(self, date: date, portfolio: Portfolio) -> Actions:  # noqa: B027
        """Return orders for the whole portfolio, after the session's last `on_data`; each must name its symbol."""

    def on_schedule(self, rule: str, date: date, portfolio: Portfolio) -> Actions:  # noqa: B027
        """Return orders in the sessions of `schedule`, after `on_bar_end`; each must name its symbol."""

    def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:  # noqa: B027
        """React to a full or partial fill, after it is booked in the portfolio."""

    def on_order_unfilled(self, order: Order, portfolio: Portfolio) -> None:  # noqa: B027
        """React to an order that was rejected, cancelled or has expired: see its `status` and `end_reason`."""

    def on_finish(self, portfolio: Portfolio) -> None:  # noqa: B027
        """React to the end of the run, after the last session."""


def parameters_of(strategy: type[Strategy]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a strategy's `__init__` by name; a class without one has none."""
    if strategy.__init__ is object.__init__:
        return {}
    _, *parameters = inspect.signature(strategy.__init__).parameters.values()
    return {parameter.name: parameter for parameter in parameters}


def schedule_of(strategy: Strategy, calendar: Callable[[], Sequence[date]]) -> Schedule | None:
    """Return the schedule of a strategy, None if it has none; `calendar` returns the sessions of the exchange.

    Raises:
        UsageError: a rule cannot be read, there is no calendar, or the strategy has rules without the method, or the
            method without rules.
    """
    has_method = type(strategy).on_schedule is not Strategy.on_schedule
    if has_method != bool(strategy.schedule):
        missing = "schedule is empty" if has_method else "there is no on_schedule"
        raise UsageError(f"{type(strategy).__name__}: {missing}: a schedule needs both its rules and the method")
    return Schedule(strategy.schedule, calendar) if has_method else None


def strategies_in(module: ModuleType) -> dict[str, type[Strategy]]:
    """Return the concrete strategies that a module defines itself, by class name."""
    return {
        item.__name__: item
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, Strategy)
        and not inspect.isabstract(item)
        and item.__module__ == module.__name__
    }
