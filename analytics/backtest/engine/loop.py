"""The event loop: each session the broker trades what was decided before, then the strategy decides on the close."""

from __future__ import annotations

import traceback
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import ParamSpec

import numpy as np

from stockstream.analytics.backtest.engine.broker import Broker, OrderError
from stockstream.analytics.backtest.engine.matching import Prices
from stockstream.analytics.backtest.feed.blocks import Block, Feed
from stockstream.analytics.backtest.model.data import moving_view
from stockstream.analytics.backtest.model.orders import Action, Order
from stockstream.analytics.backtest.model.portfolio import Portfolio
from stockstream.analytics.backtest.model.result import Curve
from stockstream.analytics.backtest.model.setup import Setup
from stockstream.analytics.backtest.model.strategy import Strategy
from stockstream.sql.errors import StockStreamError

P = ParamSpec("P")
Decided = Callable[[date, str | None, Action], None]


class StrategyError(StockStreamError):
    """A strategy raised an error, or asked for what makes no order."""


@dataclass
class Account:
    """What has become of the account: up to where the strategy failed, if it did."""

    portfolio: Portfolio
    broker: Broker
    dates: list[date] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    cash: list[float] = field(default_factory=list)
    long: list[float] = field(default_factory=list)
    short: list[float] = field(default_factory=list)
    error: StrategyError | None = None

    @property
    def curve(self) -> Curve:
        """The account at the close of each session."""
        return Curve(self.dates, *(np.array(values) for values in (self.equity, self.cash, self.long, self.short)))

    def record(self, day: date) -> None:
        """Note what the account is worth at the close of a session."""
        prices, long, short = self.portfolio.prices, 0.0, 0.0
        for position in self.portfolio.positions.values():
            value = position.quantity * prices[position.symbol]
            if value > 0:
                long += value
            else:
                short += value
        self.dates.append(day)
        self.equity.append(self.portfolio.cash + long + short)
        self.cash.append(self.portfolio.cash)
        self.long.append(long)
        self.short.append(short)

    def forget(self) -> date:
        """Take the last session back; gives its day."""
        for values in (self.equity, self.cash, self.long, self.short):
            values.pop()
        return self.dates.pop()


def run(
    strategies: Sequence[Strategy],
    feed: Feed,
    setup: Setup,
    *,
    on_sessions: Callable[[int], None] = lambda count: None,
    on_decided: Decided | None = None,
) -> list[Account]:
    """Run strategies, each with an account of its own, over a feed that is read once.

    `on_sessions` is told how many more sessions are done, `on_decided` of each action. An error of a strategy ends its
    run and is in its account, with what was reached until then.

    Raises:
        UsageError: the feed has more than one row of a symbol and day.
        duckdb.Error: the bars cannot be read.
    """
    loops = [_Loop(strategy, feed, setup, on_decided) for strategy in strategies]
    for loop in loops:
        loop.attempt(loop.start)
    for block in feed.blocks(setup.start, setup.end):
        for loop in loops:
            loop.attempt(loop.run, block)
        on_sessions(len(block.dates))
    for loop in loops:
        loop.attempt(loop.finish)
    return [loop.account for loop in loops]


class _Loop:
    """One run of one strategy."""

    def __init__(self, strategy: Strategy, feed: Feed, setup: Setup, on_decided: Decided | None) -> None:
        portfolio = Portfolio(setup.initial_capital, setup.initial_capital, setup.leverage)
        self.account = Account(portfolio, Broker(portfolio, setup, strategy.on_order_filled))
        self._strategy = strategy
        self._feed = feed
        self._setup = setup
        self._on_decided = on_decided
        self._view = moving_view(feed.names)
        self._to_go = sorted(((day, symbol) for symbol, day in feed.delisted.items()), reverse=True)
        self._day: date | None = None
        self._symbol: str | None = None

    def attempt(self, part: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> None:
        """Run a part of the whole, unless the strategy has failed before; take note if it fails."""
        if self.account.error is None:
            try:
                part(*arguments, **named)
            except Exception as error:
                self.account.error = self._explained(error)

    def start(self) -> None:
        """Do what is due before the first session."""
        self._strategy.on_start(self._feed.symbols, self.account.portfolio)

    def run(self, block: Block) -> None:
        """Go through the sessions of a block."""
        self._view._columns = block.columns
        for number, day in enumerate(block.dates):
            self._session(block, day, block.bounds[number], block.bounds[number + 1])

    def _session(self, block: Block, day: date, first: int, last: int) -> None:
        portfolio, broker = self.account.portfolio, self.account.broker
        strategy, view, symbols = self._strategy, self._view, block.symbols
        self._before(block, day, first, last)
        if portfolio.orders:
            broker.trade(day, lambda symbol: _bar(block, symbol, first, last))
        portfolio.prices.update(zip(symbols[first:last], block.close[first:last], strict=True))
        row, on_data = first, strategy.on_data
        try:
            for row in range(first, last):  # the only Python that runs for each bar
                view._row = row
                action = on_data(day, symbols[row], view, portfolio)
                if action is not None:
                    self._decide(action, day, symbols[row])
        except Exception:
            self._symbol = symbols[row]
            raise
        if (actions := strategy.on_bar_end(day, portfolio)) is not None:
            self._decide(actions, day, None)
        if broker.books.is_lent:
            broker.call_margin(day)
        self.account.record(day)

    def _before(self, block: Block, day: date, first: int, last: int) -> None:
        """Do what is due before the session opens."""
        broker, setup = self.account.broker, self._setup
        if self._day is not None and broker.books.is_lent:
            broker.books.accrue((day - self._day).days, setup.borrow_rate, setup.interest_rate)
        self._day = day
        while self._to_go and self._to_go[-1][0] < day:
            left, symbol = self._to_go.pop()
            broker.delist(symbol, left, day)
        actions = block.actions
        for row in actions[bisect_left(actions, first) : bisect_left(actions, last)] if actions else ():
            symbol, ratio = block.symbols[row], float(block.prices["split_ratio"][row])
            if ratio != 1 and symbol in self.account.portfolio.prices:
                broker.split(symbol, ratio, day)
            if dividend := float(block.prices["dividend"][row]):
                broker.books.dividend(symbol, dividend)

    def _decide(self, actions: Action | Iterable[Action], day: date, symbol: str | None) -> None:
        self._symbol = symbol
        for action in (actions,) if isinstance(actions, Action) else _listed(actions):
            named = symbol if action.symbol is None else action.symbol
            if self._on_decided is not None:
                self._on_decided(day, named, action)
            self.account.broker.submit(action, named, day)
        self._symbol = None

    def finish(self) -> None:
        """Do what is due after the last session."""
        if self.account.portfolio.positions and self._day is not None:
            day, broker = self.account.forget(), self.account.broker
            for left, symbol in self._to_go:  # nothing was traded after it that would have closed it
                if self._setup.end is None or left < self._setup.end:
                    broker.delist(symbol, left, day)
            if self._setup.at_end == "close":
                broker.liquidate(day, "end of run")
            self.account.record(day)
        self._strategy.on_finish(self.account.portfolio)

    def _explained(self, error: Exception) -> StrategyError:
        """Say which of the strategy's methods failed, and where; an error that is not the strategy's is raised."""
        name = type(self._strategy).__name__
        where = f" on {self._day}" if self._day else ""
        frames = list(traceback.walk_tb(error.__traceback__))
        own = [at for at, (frame, _) in enumerate(frames) if frame.f_locals.get("self") is self._strategy]
        orders = [one for at in own for one in frames[at][0].f_locals.values() if isinstance(one, Order)]
        if symbol := self._symbol or (orders[0].symbol if orders else None):
            where += f" at {symbol}"
        if isinstance(error, OrderError):
            return StrategyError(f"{name}{where}: {error}")
        if not own:
            raise error
        hook, (last, line) = frames[own[0]][0].f_code, frames[own[-1]]
        place = f"{last.f_code.co_filename}, line {line}"
        return StrategyError(f"{name}.{hook.co_name} failed{where}: {type(error).__name__}: {error} ({place})")


def _listed(actions: Iterable[Action]) -> list[Action]:
    """Read the orders that a strategy gave.

    Raises:
        OrderError: they are none, or cannot be read.
    """
    if not isinstance(actions, Iterable):
        raise OrderError(f"it gave {actions!r}: give an Action, several, or None")
    try:
        listed = list(actions)
    except Exception as error:
        raise OrderError(f"its orders cannot be read: {type(error).__name__}: {error}") from error
    if wrong := [one for one in listed if not isinstance(one, Action)]:
        raise OrderError(f"it gave {wrong[0]!r}: give an Action, several, or None")
    return listed


def _bar(block: Block, symbol: str, first: int, last: int) -> Prices | None:
    row = bisect_left(block.symbols, symbol, first, last)
    if row == last or block.symbols[row] != symbol:
        return None
    of = block.prices
    return Prices(
        of["open"].item(row), of["high"].item(row), of["low"].item(row), block.close[row], of["volume"].item(row)
    )
