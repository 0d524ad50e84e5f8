"""The event loop: in each session the broker executes earlier decisions, then the strategy decides on the close."""

from __future__ import annotations

import math
import traceback
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from sys import getrefcount
from typing import ParamSpec

import numpy as np

from stockstream.analytics.backtest.engine.acceptance import OrderError
from stockstream.analytics.backtest.engine.broker import Broker
from stockstream.analytics.backtest.engine.ledger import ledger_of
from stockstream.analytics.backtest.engine.matching import Prices
from stockstream.analytics.backtest.engine.orderbook import OnOrder
from stockstream.analytics.backtest.feed import Block, Feed
from stockstream.analytics.backtest.model import (
    Action,
    Curve,
    LedgerEntry,
    Order,
    Portfolio,
    Setup,
    Strategy,
    make_view,
    order_view,
    portfolio_view,
    schedule_of,
)
from stockstream.sql.errors import StockStreamError

P = ParamSpec("P")
OnDecision = Callable[[date, str | None, Action], None]
"""Callback for each decision: the session after which it was taken, the symbol, the action."""


class StrategyError(StockStreamError):
    """A strategy raised an exception, or returned an invalid order."""


@dataclass
class Account:
    """The account of one run, up to the error if the strategy failed."""

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

    @property
    def ledger(self) -> list[LedgerEntry]:
        """Every change of the cash; empty if the run ended before the first session."""
        return ledger_of(self.portfolio, self.broker.books.bookings, self.dates[0]) if self.dates else []

    def record(self, day: date) -> None:
        """Append the account's value at the close of a session."""
        long, short = self.portfolio.values
        self.dates.append(day)
        self.equity.append(self.portfolio.cash + long + short)
        self.cash.append(self.portfolio.cash)
        self.long.append(long)
        self.short.append(short)

    def drop_last(self) -> date:
        """Remove the last session's values, and return its date."""
        for values in (self.equity, self.cash, self.long, self.short):
            values.pop()
        return self.dates.pop()


def run(
    strategies: Sequence[Strategy],
    feed: Feed,
    setup: Setup | Sequence[Setup],
    *,
    on_sessions: Callable[[int], None] = lambda count: None,
    on_decided: OnDecision | None = None,
) -> list[Account]:
    """Run strategies, each with its own account, over a feed that is read once.

    Args:
        strategies: one run per strategy.
        feed: the bars.
        setup: the settings of the accounts, or those of each; their range is that of the first.
        on_sessions: called with the number of sessions processed since the last call.
        on_decided: called with each action: date, symbol, action.

    Returns:
        One account per strategy. If a strategy fails, its run ends and `error` is set; the values up to then are kept.

    Raises:
        UsageError: the feed has more than one row per symbol and day.
        duckdb.Error: the bars cannot be read.
    """
    setups = [setup] * len(strategies) if isinstance(setup, Setup) else setup
    loops = [_Loop(strategy, feed, one, on_decided) for strategy, one in zip(strategies, setups, strict=True)]
    for loop in loops:
        loop.attempt(loop.start)
    for block in feed.blocks(setups[0].start, setups[0].end):
        for loop in loops:
            loop.attempt(loop.run, block)
        on_sessions(len(block.dates))
    for loop in loops:
        loop.attempt(loop.finish)
    return [loop.account for loop in loops]


class _Loop:
    """One run of one strategy."""

    def __init__(self, strategy: Strategy, feed: Feed, setup: Setup, on_decided: OnDecision | None) -> None:
        self._strategy = strategy
        portfolio = Portfolio(setup.initial_capital, setup.initial_capital, setup.leverage, setup.fractional)
        self._shown = portfolio_view(portfolio)
        broker = Broker(portfolio, setup, feed.symbols, self._callback("filled"), self._callback("unfilled"))
        self.account = Account(portfolio, broker)
        self._feed = feed
        self._setup = setup
        self._on_decided = on_decided
        self._view = make_view(feed.names)
        self._delistings = sorted(((day, name) for name, days in feed.delistings.items() for day in days), reverse=True)
        self._schedule = schedule_of(strategy, feed.calendar)
        self._renames = list(reversed(feed.renames))
        self._loose_actions = list(reversed(feed.loose_actions))
        self._number = 0
        """Number of the session."""
        self._last_bars: dict[str, tuple[int, date]] = {}
        """Number and day of the session of the last bar per symbol."""
        self._day: date | None = None
        self._symbol: str | None = None

    def _callback(self, event: str) -> OnOrder | None:
        """Return a function that tells the strategy of an order; None if the strategy does not listen.

        It raises OrderError if the strategy returns something that would be ignored.
        """
        name = f"on_order_{event}"
        if getattr(type(self._strategy), name) is getattr(Strategy, name):
            return None

        def report(order: Order) -> None:
            _refuse_answer(getattr(self._strategy, name)(order_view(order), self._shown), name)

        return report

    def attempt(self, stage: Callable[P, None], *arguments: P.args, **keywords: P.kwargs) -> None:
        """Run one stage, unless the strategy has failed before; record the error if it fails."""
        if self.account.error is None:
            try:
                stage(*arguments, **keywords)
            except Exception as error:
                self.account.error = self._explained(error)

    def start(self) -> None:
        """Start the strategy, before the first session."""
        answer = self._strategy.on_start(self._feed.symbols, self._shown)  # type: ignore[func-returns-value]
        _refuse_answer(answer, "on_start")

    def run(self, block: Block) -> None:
        """Process the sessions of a block."""
        self._view._columns = block.columns
        for number, day in enumerate(block.dates):
            self._session(block, day, block.bounds[number], block.bounds[number + 1])

    def _session(self, block: Block, day: date, first: int, last: int) -> None:
        portfolio, broker = self.account.portfolio, self.account.broker
        strategy, view, shown, symbols = self._strategy, self._view, self._shown, block.symbols
        self._before(block, day, first, last)
        if portfolio.orders:
            broker.trade(day, lambda symbol: _bar(block, symbol, first, last))
        dict.update(portfolio.prices, zip(symbols[first:last], block.close[first:last], strict=True))
        portfolio.worth = None
        self._last_bars.update(dict.fromkeys(symbols[first:last], (self._number, day)))
        if block.shares is not None:
            broker.shares.update(zip(symbols[first:last], block.shares[first:last], strict=True))
        if broker.delisted:
            broker.relist(symbols[first:last])
        row, on_data = first, strategy.on_data
        references = getrefcount(view)
        try:
            for row in range(first, last):  # the only Python that runs per bar
                view._row = row
                action = on_data(day, symbols[row], view, shown)
                if action is not None:
                    self._decide(action, day, symbols[row])
                if getrefcount(view) != references:
                    view = self._view = view.copy()  # the strategy has kept the view: it stays at this bar
        except Exception:
            self._symbol = symbols[row]
            raise
        if (actions := strategy.on_bar_end(day, shown)) is not None:
            self._decide(actions, day, None)
        if self._schedule is not None:
            for rule in self._schedule.due(day, self._number):
                if (actions := strategy.on_schedule(rule, day, shown)) is not None:
                    self._decide(actions, day, None)
        if broker.books.is_borrowing:
            broker.call_margin(day)
        self.account.record(day)

    def _before(self, block: Block, day: date, first: int, last: int) -> None:
        """Apply accrued costs, delistings, splits and dividends, before the session opens."""
        broker, setup = self.account.broker, self._setup
        if self._day is not None and broker.books.is_borrowing:
            days, rates = (day - self._day).days, setup.borrow_rates
            broker.books.accrue(day, days, setup.borrow_rate, setup.interest_rate, rates)
        self._day = day
        self._number += 1
        while self._renames and self._renames[-1].date <= day:
            self._rename(day)
        while self._loose_actions and self._loose_actions[-1].date <= day:
            _, symbol, dividend, ratio = self._loose_actions.pop()
            self._act(symbol, dividend, ratio, day)
        self._delist(day)
        actions, values = block.actions, block.prices
        for row in actions[bisect_left(actions, first) : bisect_left(actions, last)] if actions else ():
            self._act(block.symbols[row], float(values["dividend"][row]), float(values["split_ratio"][row]), day)

    def _act(self, symbol: str, dividend: float, ratio: float, day: date) -> None:
        """Credit a split and a dividend to the position in a symbol, if it has been traded before."""
        if ratio != 1 and symbol in self.account.portfolio.prices:
            self.account.broker.split(symbol, ratio, day)
        if dividend:
            self.account.broker.books.dividend(symbol, dividend, day)

    def _rename(self, day: date) -> None:
        """Move what the account has in the next symbol whose code has changed to its new code."""
        _, symbol, new = self._renames.pop()
        if symbol in self._last_bars and self.account.broker.rename(symbol, new, day):
            self._last_bars[new] = self._last_bars[symbol]

    def _delist(self, day: date) -> None:
        """Delist the symbols that have left the lists of companies, or have had no bar for too long.

        Only what was known before the session counts, never whether a bar follows.
        """
        account, latest = self.account, self._number - 1 - self._setup.delist_after
        while self._delistings and self._delistings[-1][0] < day:
            left_on, symbol = self._delistings.pop()
            _, last_bar = self._last_bars.get(symbol, (0, left_on))
            if last_bar <= left_on:
                account.broker.delist(symbol, last_bar, day)
        watched = {*account.portfolio.positions, *(order.symbol for order in account.portfolio.orders)}
        for symbol, (number, last_bar) in [(symbol, self._last_bars[symbol]) for symbol in sorted(watched)]:
            if number <= latest:
                account.broker.delist(symbol, last_bar, day)

    def _decide(self, actions: Action | Iterable[Action], day: date, symbol: str | None) -> None:
        self._symbol = symbol
        for action in (actions,) if isinstance(actions, Action) else _checked(actions):
            target = symbol if action.symbol is None else action.symbol
            if self._on_decided is not None:
                self._on_decided(day, target, action)
            self.account.broker.submit(action, target, day)
        self._symbol = None

    def finish(self) -> None:
        """Close positions in delisted symbols and, if `at_end` says so, all others; then finish the strategy."""
        if self.account.portfolio.positions and self._day is not None:
            day, broker = self.account.drop_last(), self.account.broker
            ended = {name for left_on, name in self._delistings if self._setup.end is None or left_on < self._setup.end}
            silent = {name for name, count in self._feed.silent.items() if count >= self._setup.delist_after}
            for symbol in sorted((ended | silent) & self.account.portfolio.positions.keys()):
                broker.delist(symbol, self._last_bars[symbol][1], day)
            if self._setup.at_end == "close":
                broker.liquidate(day, "end of run")
            self.account.record(day)
        answer = self._strategy.on_finish(self._shown)  # type: ignore[func-returns-value]
        _refuse_answer(answer, "on_finish")

    def _explained(self, error: Exception) -> StrategyError:
        """Return an error that names the strategy's method, the session and the symbol.

        Re-raises an error that did not pass through a method of the strategy, such as a defect of the engine.
        """
        name = type(self._strategy).__name__
        where = f" on {self._day}" if self._day else ""
        frames = list(traceback.walk_tb(error.__traceback__))
        calls = [at for at, (frame, _) in enumerate(frames) if frame.f_locals.get("self") is self._strategy]
        orders = [value for at in calls for value in frames[at][0].f_locals.values() if isinstance(value, Order)]
        if symbol := self._symbol or (orders[0].symbol if orders else None):
            where += f" at {symbol}"
        if isinstance(error, OrderError):
            return StrategyError(f"{name}{where}: {error}")
        if not calls:
            raise error
        hook, (last, line) = frames[calls[0]][0].f_code, frames[calls[-1]]
        place = f"{last.f_code.co_filename}, line {line}"
        return StrategyError(f"{name}.{hook.co_name} failed{where}: {type(error).__name__}: {error} ({place})")


def _refuse_answer(answer: object, method: str) -> None:
    """Raise an error if a method returned something that would be ignored.

    Raises:
        OrderError: the answer is not None.
    """
    if answer is not None:
        raise OrderError(f"{method} returned {answer!r}, which has no effect: return orders from on_data or on_bar_end")


def _checked(actions: Iterable[Action]) -> list[Action]:
    """Return the actions of a strategy's answer as a list.

    Raises:
        OrderError: the answer is not iterable, fails while it is iterated, or has an item that is not an Action.
    """
    if not isinstance(actions, Iterable):
        raise OrderError(f"it returned {actions!r}: return an Action, several, or None")
    try:
        answer = list(actions)
    except Exception as error:
        raise OrderError(f"its orders cannot be read: {type(error).__name__}: {error}") from error
    if invalid := [item for item in answer if not isinstance(item, Action)]:
        raise OrderError(f"it returned {invalid[0]!r}: return an Action, several, or None")
    return answer


def _bar(block: Block, symbol: str, first: int, last: int) -> Prices | None:
    row = bisect_left(block.symbols, symbol, first, last)
    if row == last or block.symbols[row] != symbol:
        return None
    prices = block.prices
    volume = prices["volume"].item(row)
    return Prices(
        prices["open"].item(row),
        prices["high"].item(row),
        prices["low"].item(row),
        block.close[row],
        None if math.isnan(volume) else volume,
        1.0 if block.shares is None else block.shares[row],
    )
