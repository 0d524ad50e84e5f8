"""The event loop: in each session the broker executes earlier decisions, then the strategy decides on the close."""

from __future__ import annotations

import traceback
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from sys import getrefcount
from typing import Any, ParamSpec

from stockstream.analytics.backtest.engine.acceptance import OrderError, actions_of, refuse_answer
from stockstream.analytics.backtest.engine.account import Account, StrategyError
from stockstream.analytics.backtest.engine.bars import Bars
from stockstream.analytics.backtest.engine.broker import Broker
from stockstream.analytics.backtest.engine.collector import unburdened_collector
from stockstream.analytics.backtest.engine.orderbook import OnOrder
from stockstream.analytics.backtest.engine.selection import Selection
from stockstream.analytics.backtest.feed import Block, Feed
from stockstream.analytics.backtest.model import (
    Action,
    Order,
    Portfolio,
    Setup,
    Strategy,
    make_view,
    order_view,
    portfolio_view,
    schedule_of,
)

P = ParamSpec("P")
OnDecision = Callable[[date, str | None, Action], None]
"""Callback for each decision: the session after which it was taken, the symbol, the action."""


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
    loops = [Loop(strategy, feed, one, on_decided) for strategy, one in zip(strategies, setups, strict=True)]
    for loop in loops:
        loop.attempt(loop.start)
    for block in feed.blocks(setups[0].start, setups[0].end):
        with unburdened_collector():
            for loop in loops:
                loop.attempt(loop.run, block)
        on_sessions(len(block.dates))
    for loop in loops:
        loop.attempt(loop.finish)
    return [loop.account for loop in loops]


@dataclass(slots=True)
class LastBar:
    """The session of the last bar of the symbols that share this object: those that trade in the same sessions."""

    number: int
    day: date


class Loop:
    """One run of one strategy."""

    def __init__(self, strategy: Strategy, feed: Feed, setup: Setup, on_decided: OnDecision | None) -> None:
        self.strategy = strategy
        self.initial: Mapping[str, Any] = {}
        """The strategy's attributes before the run, if its state is to be saved."""
        portfolio = Portfolio(setup.initial_capital, setup.initial_capital, setup.leverage, setup.fractional)
        self._shown = portfolio_view(portfolio)
        broker = Broker(portfolio, setup, feed.symbols, self._callback("filled"), self._callback("unfilled"))
        self.account = Account(portfolio, broker)
        self._feed = feed
        self.setup = setup
        self._on_decided = on_decided
        self._view = make_view(feed.names)
        self._delistings = sorted(((day, name) for name, days in feed.delistings.items() for day in days), reverse=True)
        self._selection = Selection(strategy, portfolio)
        self._schedule = schedule_of(strategy, feed.calendar)
        self._renames = list(reversed(feed.renames))
        self._loose_actions = list(reversed(feed.loose_actions))
        self.number = 0
        """Number of the session."""
        self.last_bars: dict[str, LastBar] = {}
        """The session of the last bar per symbol."""
        self._traded: Sequence[str] = ()
        """The symbols of the last session, which share the object `_last_bar`."""
        self._last_bar = LastBar(0, date.min)
        self._silent: Collection[str] = self.last_bars
        """Symbols of `last_bars` that may have had no bar in the last session."""
        self.day: date | None = None
        self._symbol: str | None = None

    def _callback(self, event: str) -> OnOrder | None:
        """Return a function that tells the strategy of an order; None if the strategy does not listen.

        It raises OrderError if the strategy returns something that would be ignored.
        """
        name = f"on_order_{event}"
        if getattr(type(self.strategy), name) is getattr(Strategy, name):
            return None

        def report(order: Order) -> None:
            refuse_answer(getattr(self.strategy, name)(order_view(order), self._shown), name)

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
        answer = self.strategy.on_start(self._feed.symbols, self._shown)  # type: ignore[func-returns-value]
        refuse_answer(answer, "on_start")

    def run(self, block: Block) -> None:
        """Process the sessions of a block."""
        self._view._columns = block.columns
        for number, day in enumerate(block.dates):
            self._session(block, day, block.bounds[number], block.bounds[number + 1])

    def step(self, block: Block, number: int) -> None:
        """Process one session of a block."""
        self._view._columns = block.columns
        self._session(block, block.dates[number], block.bounds[number], block.bounds[number + 1])

    def go_on_after(self, day: date) -> None:
        """Skip what has been applied up to a session, so that the next one is the first to process."""
        self.day = day
        self._delistings = [one for one in self._delistings if one[0] >= day]
        self._renames = [one for one in self._renames if one.date > day]
        self._loose_actions = [one for one in self._loose_actions if one.date > day]
        if self._schedule is not None:
            self._schedule.last = day

    def _session(self, block: Block, day: date, first: int, last: int) -> None:
        portfolio, broker = self.account.portfolio, self.account.broker
        strategy, view, shown, symbols = self.strategy, self._view, self._shown, block.symbols
        self._before(block, day, first, last)
        if portfolio.orders:
            broker.execution.trade(day, Bars(block, first, last))
        traded = symbols[first:last]
        dict.update(portfolio.prices, zip(traded, block.close[first:last], strict=True))
        portfolio.worth = None
        self._note_last_bars(traded, day)
        if block.shares is not None:
            broker.shares.update(zip(traded, block.shares[first:last], strict=True))
        if broker.delisted:
            broker.relist(traded)
        row, on_data = first, strategy.on_data
        references = getrefcount(view)
        try:
            for row in self._selection.rows(block, first, last):  # the only Python that runs per bar
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
            for rule in self._schedule.due(day, self.number):
                if (actions := strategy.on_schedule(rule, day, shown)) is not None:
                    self._decide(actions, day, None)
        if broker.books.is_borrowing:
            broker.call_margin(day)
        self.account.record(day)

    def _note_last_bars(self, traded: Sequence[str], day: date) -> None:
        """Note that these symbols have a bar in this session."""
        if traded == self._traded:  # as in most sessions, unless a symbol has a gap
            self._last_bar.number, self._last_bar.day = self.number, day
            return
        self._traded, self._last_bar = traded, LastBar(self.number, day)
        self.last_bars.update(dict.fromkeys(traded, self._last_bar))
        self._silent = self.last_bars.keys() - traded

    def _before(self, block: Block, day: date, first: int, last: int) -> None:
        """Apply accrued costs, delistings, splits and dividends, before the session opens."""
        broker, setup = self.account.broker, self.setup
        if self.day is not None and broker.books.is_borrowing:
            days, rates = (day - self.day).days, setup.borrow_rates
            broker.books.accrue(day, days, setup.borrow_rate, setup.interest_rate, rates)
        self.day = day
        self.number += 1
        while self._renames and self._renames[-1].date <= day:
            self._rename(day)
        while self._loose_actions and self._loose_actions[-1].date <= day:
            _, symbol, dividend, ratio = self._loose_actions.pop()
            self._act(symbol, dividend, ratio, day)
        if self._delistings or self._silent:
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
        if symbol in self.last_bars and self.account.broker.rename(symbol, new, day):
            self.last_bars[new] = replace(self.last_bars[symbol])
            self._traded, self._silent = (), self.last_bars

    def _delist(self, day: date) -> None:
        """Delist the symbols that have left the lists of companies, or have had no bar for too long.

        Only what was known before the session counts, never whether a bar follows.
        """
        account, latest = self.account, self.number - 1 - self.setup.delist_after
        while self._delistings and self._delistings[-1][0] < day:
            left_on, symbol = self._delistings.pop()
            last_bar = self.last_bars[symbol].day if symbol in self.last_bars else left_on
            if last_bar <= left_on:
                account.broker.delist(symbol, last_bar, day)
        overdue = [symbol for symbol in self._silent if self.last_bars[symbol].number <= latest]
        for symbol in sorted(overdue):
            if account.portfolio.quantity(symbol) or account.portfolio.open_orders(symbol):
                account.broker.delist(symbol, self.last_bars[symbol].day, day)

    def _decide(self, actions: Action | Iterable[Action], day: date, symbol: str | None) -> None:
        self._symbol = symbol
        for action in (actions,) if isinstance(actions, Action) else actions_of(actions):
            target = symbol if action.symbol is None else action.symbol
            if self._on_decided is not None:
                self._on_decided(day, target, action)
            self.account.broker.submit(action, target, day)
        self._symbol = None

    def finish(self) -> None:
        """Close positions in delisted symbols and, if `at_end` says so, all others; then finish the strategy."""
        if self.account.portfolio.positions and self.day is not None:
            day, broker = self.account.drop_last(), self.account.broker
            ended = {name for left_on, name in self._delistings if self.setup.end is None or left_on < self.setup.end}
            silent = {name for name, count in self._feed.silent.items() if count >= self.setup.delist_after}
            for symbol in sorted((ended | silent) & self.account.portfolio.positions.keys()):
                broker.delist(symbol, self.last_bars[symbol].day, day)
            if self.setup.at_end == "close":
                broker.liquidate(day, "end of run")
            self.account.record(day)
        answer = self.strategy.on_finish(self._shown)  # type: ignore[func-returns-value]
        refuse_answer(answer, "on_finish")

    def _explained(self, error: Exception) -> StrategyError:
        """Return an error that names the strategy's method, the session and the symbol.

        Re-raises an error that did not pass through a method of the strategy, such as a defect of the engine.
        """
        name = type(self.strategy).__name__
        where = f" on {self.day}" if self.day else ""
        frames = list(traceback.walk_tb(error.__traceback__))
        calls = [at for at, (frame, _) in enumerate(frames) if frame.f_locals.get("self") is self.strategy]
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
