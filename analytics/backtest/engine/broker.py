"""The broker: accepts orders, applies delistings, code changes and splits, and makes margin calls."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from stockstream.analytics.backtest.engine.acceptance import OrderError, order_of
from stockstream.analytics.backtest.engine.books import NOTHING, Books
from stockstream.analytics.backtest.engine.changes import Changes
from stockstream.analytics.backtest.engine.execution import Execution
from stockstream.analytics.backtest.engine.matching import Prices, start_trailing
from stockstream.analytics.backtest.engine.notes import Notes
from stockstream.analytics.backtest.engine.orderbook import OnOrder, OrderBook
from stockstream.analytics.backtest.model import (
    Action,
    Order,
    Portfolio,
    Setup,
    Status,
    Verb,
)
from stockstream.sql.errors import UsageError


class Broker:
    """Accepts the actions of a strategy as orders; its `execution` fills them."""

    def __init__(
        self,
        portfolio: Portfolio,
        setup: Setup,
        symbols: Iterable[str],
        on_filled: OnOrder | None,
        on_unfilled: OnOrder | None,
    ) -> None:
        self._portfolio = portfolio
        self._symbols = frozenset(symbols)
        self._setup = setup
        if unknown := sorted(setup.borrow_rates.keys() - self._symbols):
            raise UsageError(f"borrow_rates: {', '.join(unknown)} has no bar in this run")
        self.orders = OrderBook(portfolio, on_unfilled)
        self._changes = Changes(portfolio, self.orders)
        self.delisted: set[str] = set()
        """Symbols that count as delisted."""
        self.books = Books(portfolio)
        self.notes = Notes()
        self.execution = Execution(portfolio, setup, self.orders, self.books, self.notes, on_filled)
        self.shares: dict[str, float] = {}
        """Shares of the day per adjusted share at the last bar of each symbol, if prices are adjusted."""

    def submit(self, action: Action, symbol: str | None, day: date) -> None:
        """Accept a strategy's action for a symbol, decided after the close of a session.

        Raises:
            OrderError: no symbol, one that is not traded in this run, or an invalid number.
        """
        if symbol is None:
            raise OrderError("an order without a symbol: name it, as in Action.buy(100, symbol=...)")
        if symbol not in self._symbols:
            raise OrderError(f"an order for {symbol}, which has no bar in this run: is it one of the symbols?")
        if symbol not in self._portfolio.prices:
            self.notes.once(day, symbol, "order rejected: the symbol has had no bar so far", "the first of them")
            self._reject(action, symbol, "the symbol has had no bar so far", day)
        elif symbol in self.delisted:
            self.notes.count(day, symbol, "order rejected: the symbol is delisted")
            self._reject(action, symbol, "the symbol is delisted", day)
        elif action.verb is Verb.cancel:
            self._cancel(action, symbol, day)
        elif action.verb is Verb.change or action.verb is Verb.exits:
            change = self._changes.change if action.verb is Verb.change else self._changes.set_exits
            if text := change(action, symbol, day):
                self.notes.once(day, symbol, text, "the first of them")
        elif action.quantity is None:
            self.close(symbol, day, tag=action.tag)
        elif action.verb is Verb.order:
            self._order(action, symbol, day)
        else:
            missing = self._changes.missing(action, symbol, day)
            if missing != 0:
                self._order(replace(action, quantity=missing), symbol, day)

    def _order(self, action: Action, symbol: str, day: date) -> None:
        """Open the order of an action."""
        if action.quantity == 0:
            self.notes.once(day, symbol, "an order for 0 shares is no order", "the first of them")
            return
        order = order_of(action, symbol, self.orders.next_id(), day)
        if order.trail is not None:
            start_trailing(order, self._portfolio.prices[symbol])
        self.orders.open(order)

    def _reject(self, action: Action, symbol: str, reason: str, day: date) -> None:
        """Log the order of an action for a symbol without a price."""
        if action.verb is Verb.order and action.quantity:
            self.orders.reject(order_of(action, symbol, self.orders.next_id(), day), reason, day)

    def _cancel(self, action: Action, symbol: str, day: date) -> None:
        """Cancel the open orders that an action means; note if there is none with its id or tag."""
        orders = self.orders.of(action.order, symbol)
        if action.order is not None and not orders:
            self.notes.once(day, symbol, f"no open order {action.order!r} to cancel", "the first of them")
        self.orders.cancel(orders, "by the strategy", day)

    def close(self, symbol: str, day: date, reason: str = "", tag: str | None = None) -> None:
        """Order to close a symbol's position at the market, and cancel its open orders.

        The stop and limit orders that reduce the position stay open until it is closed: it must not be without its
        stop-loss while the order to close it waits.
        """
        shares = self._portfolio.quantity(symbol)
        if self._portfolio.orders:
            others = self.orders.bind_exits(symbol, shares)
            self.orders.cancel(others, reason or "the position is closed", day)
        if shares:
            order = Order(self.orders.next_id(), symbol, -shares, day, reduce_only=True, tag=tag, reason=reason)
            self.orders.open(order)

    def cancel(self, symbol: str, reason: str, day: date) -> None:
        """Cancel the open orders of a symbol."""
        self.orders.cancel(self._portfolio.open_orders(symbol), reason, day)

    def call_margin(self, day: date) -> None:
        """Order to close all positions if equity ÷ exposure at the close is below the maintenance margin."""
        portfolio, setup = self._portfolio, self._setup
        equity, exposure = portfolio.equity, portfolio.exposure
        if equity < setup.maintenance_margin * exposure:
            text = f"margin call: equity of {equity:,.2f} for an exposure of {exposure:,.2f}"
            self.notes.add(day, None, text)
            for symbol in list(portfolio.positions):
                self.close(symbol, day, "margin call")

    def delist(self, symbol: str, last: date, day: date) -> None:
        """Close the position in a delisted symbol at its last price, because no later one exists."""
        self.delisted.add(symbol)
        self.cancel(symbol, "delisted", day)
        if shares := self._portfolio.quantity(symbol):
            price = self._portfolio.prices[symbol]
            self.notes.add(day, symbol, f"delisted after {last}: {shares:,g} shares closed at {price:,g}")
            self.books.close_out(symbol, shares, price, day, "delisted")

    def rename(self, symbol: str, new: str, day: date) -> bool:
        """Move the position and the orders of a symbol to its new code; return whether that was possible.

        The position stays under the former code if the new one has no bar in this run, or if the account holds another
        position under it.
        """
        shares = self._portfolio.quantity(symbol)
        if new not in self._symbols or self._portfolio.quantity(new):
            if shares:
                why = "has another position" if new in self._symbols else "is not among the symbols of this run"
                self.notes.add(
                    day, symbol, f"the code is now {new}, which {why}: {shares:,g} shares stay at their last close"
                )
            return False
        if shares or self._portfolio.open_orders(symbol):
            text = f"the code is now {new}: {shares:,g} shares and the open orders go on under it"
            self.notes.add(day, symbol, text)
        self.books.rename(symbol, new, day)
        self._portfolio.orders.rename(symbol, new)
        return True

    def relist(self, symbols: Iterable[str]) -> None:
        """Accept orders again for symbols that have a bar."""
        self.delisted.difference_update(symbols)

    def liquidate(self, day: date, reason: str) -> None:
        """Close all positions at their last close, with commission and slippage."""
        for symbol in list(self._portfolio.positions):
            self.close(symbol, day, reason)
            price = self._portfolio.prices[symbol]
            bar = Prices(price, price, price, price, math.inf, self.shares.get(symbol, 1.0))
            self.execution.fill(self._portfolio.orders[-1], price, bar, day)
        self.orders.cancel(list(self._portfolio.orders), reason, day)

    def split(self, symbol: str, ratio: float, day: date) -> None:
        """Apply a split to the books, and restate the quantities and prices of the symbol's open orders.

        A whole number of shares stays whole: an order that opens a position loses a fraction of a share, one that only
        reduces it is rounded up, so that no share is left without its exit.
        """
        self.books.split(symbol, ratio, day)
        for order in self._portfolio.open_orders(symbol):
            remaining, was_whole = order.remaining * ratio, order.remaining == int(order.remaining)
            order.filled *= ratio
            order.price /= ratio
            if was_whole:
                remaining = _whole(remaining, up=order.reduce_only)
            order.quantity = order.filled + remaining
            if remaining == 0:
                self.orders.end(order, Status.cancelled, "a split left no share of the order", day)
            for name in ("limit", "stop", "trail", "stop_loss", "take_profit", "exit_trail"):
                if (price := getattr(order, name)) is not None and not getattr(order, f"{name}_is_share", False):
                    setattr(order, name, price / ratio)
        self._portfolio.orders.remove_ended()


def _whole(quantity: float, *, up: bool) -> float:
    """Return a number of shares rounded to a whole number, up or down; a rounding error does not count."""
    shares = abs(quantity)
    return math.copysign(math.ceil(shares * (1 - NOTHING)) if up else math.floor(shares * (1 + NOTHING)), quantity)
