"""The broker: accepts orders, executes them by the rules of `matching`, and makes margin calls."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial

from stockstream.analytics.backtest.engine.acceptance import OrderError, order_of
from stockstream.analytics.backtest.engine.books import NOTHING, Books
from stockstream.analytics.backtest.engine.changes import Changes
from stockstream.analytics.backtest.engine.fees import Fees
from stockstream.analytics.backtest.engine.funds import Funds
from stockstream.analytics.backtest.engine.matching import Match, Moment, Prices, match, match_exit, start_trailing
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

Bars = Callable[[str], Prices | None]
"""Returns a symbol's bar of the session; None if it did not trade."""
Due = tuple[Moment, int, int, Order, float, Prices]
"""A possible fill: moment, rank (see `_insert`), order id, order, price, bar. Fills sort in this order."""


class Broker:
    """Accepts the actions of a strategy as orders, fills the orders, and has the fills booked."""

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
        self._on_filled = on_filled
        self._fees = Fees(setup)
        if unknown := sorted(setup.borrow_rates.keys() - self._symbols):
            raise UsageError(f"borrow_rates: {', '.join(unknown)} has no bar in this run")
        self.orders = OrderBook(portfolio, on_unfilled)
        self._changes = Changes(portfolio, self.orders)
        self._traded: dict[str, float] = {}
        """Shares filled per symbol in this session, if volume is limited."""
        self.delisted: set[str] = set()
        """Symbols that count as delisted."""
        self.books = Books(portfolio)
        self._funds = Funds(portfolio, setup, self.books)
        self.notes = Notes()
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
        elif action.verb is Verb.order and action.quantity == 0:
            self.notes.once(day, symbol, "an order for 0 shares is no order", "the first of them")
        else:
            if action.verb is not Verb.order:
                action = replace(action, quantity=self._changes.missing(action, symbol, day))
                if action.quantity == 0:
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

    def trade(self, day: date, bars: Bars) -> None:
        """Execute the fills that the session's bars allow: at the open, then inside the bars, then at the close.

        At the same moment, fills that reduce a position come first, so that their money can be used, stop orders before
        limit orders, which is the worse case; then the older order. The stop-loss and take-profit of a position opened
        at the open or inside the bar are active in the same session (`match_exit`), and so are those of a position
        opened at the vwap, an average over the session; those of a position opened at the close are active from the
        next session on.
        """
        self._traded.clear()
        due: list[Due] = []
        for order in self._portfolio.orders:
            if (bar := bars(order.symbol)) is not None and self._is_fillable(order.symbol, bar, day):
                self._insert(order, match(order, bar, self._setup.fill_at), bar, due, 0)
        at = 0
        while at < len(due):
            moment, _, _, order, price, bar = due[at]
            at += 1
            if order.status is Status.open:
                for exit in self._fill(order, price, bar, day):
                    self.orders.open(exit)
                    if moment is Moment.open:
                        self._insert(exit, match(exit, bar, self._setup.fill_at), bar, due, at)
                    elif moment is Moment.inside or self._setup.fill_at == "vwap":
                        self._insert(exit, match_exit(exit, order, price, bar), bar, due, at)
        self.orders.expire(day)

    def _is_fillable(self, symbol: str, bar: Prices, day: date) -> bool:
        """Return whether orders can be filled at the prices of a bar; if not, they wait, with a note."""
        if not bar.is_possible:
            prices = f"open {bar.open:g}, high {bar.high:g}, low {bar.low:g}, close {bar.close:g}"
            self.notes.once(day, symbol, "the prices of a bar contradict each other, orders wait", prices)
            return False
        if bar.volume == 0 and self._setup.zero_volume == "wait":
            self.notes.once(day, symbol, "the volume of a bar is 0, orders wait", "zero_volume=fill fills them")
            return False
        return True

    def _insert(self, order: Order, fill: Match | None, bar: Prices, due: list[Due], since: int) -> None:
        """Insert the fill of an order into the possible fills after the first `since`.

        Its rank is 0 for a market or stop order that reduces a position, 1 for a limit order that does, otherwise 2.
        """
        if fill is not None:
            adds = order.quantity * self._portfolio.quantity(order.symbol) >= 0
            rank = 2 if adds else int(order.limit is not None)
            insort(due, (fill.moment, rank, order.id, order, fill.price, bar), lo=since)

    def _fill(self, order: Order, price: float, bar: Prices, day: date) -> Sequence[Order]:
        """Fill as much of an order as possible; return the exit orders of its bracket."""
        quantity = self._fillable(order, bar, day)
        if quantity == 0:
            return ()
        volume = None if bar.volume is None else bar.volume * bar.shares
        mark, slippage = price, self._fees.slippage(order, abs(quantity) * bar.shares, price / bar.shares, volume)
        if slippage:
            slippage *= bar.shares
            slippage = slippage if quantity > 0 else min(slippage, price)
            price += slippage if quantity > 0 else -slippage
        fee = self._fees.commission(order, abs(quantity) * bar.shares, price / bar.shares)
        refusal = self._funds.refusal(order.symbol, quantity, price, fee)
        if (
            refusal
            and order.is_target
            and (
                fewer := self._funds.affordable(
                    order.symbol, quantity, price, bar.shares, partial(self._fees.commission, order)
                )
            )
        ):
            quantity, refusal = fewer, None
            fee = self._fees.commission(order, abs(quantity) * bar.shares, price / bar.shares)
            order.quantity = order.filled + quantity
        if refusal:
            self.orders.end(order, Status.rejected, refusal, day)
            side = "buy" if quantity > 0 else "sell"
            self.notes.count(day, order.symbol, f"order to {side} {abs(quantity):,g} rejected: {refusal}")
            return ()
        before = self._portfolio.quantity(order.symbol)
        self.books.fill(order, quantity, price, fee, slippage * abs(quantity), day)
        if self._setup.volume_limit is not None:
            self._traded[order.symbol] = self._traded.get(order.symbol, 0) + abs(quantity)
        if order.oco is not None or order.parent is not None:
            self.orders.add_fill(order, quantity, day)
        filled = order.filled + quantity
        order.price = (order.price * order.filled + price * quantity) / filled
        order.filled = filled
        order.commission += fee
        if abs(order.remaining) <= NOTHING * abs(order.quantity):
            order.status, order.ended = Status.filled, day
        if before and before * self._portfolio.quantity(order.symbol) <= 0:
            self.orders.end_with_position(order.symbol, day)
        if self._on_filled is not None:
            self._on_filled(order)
        return self.orders.exits(order, quantity, mark, day)

    def _fillable(self, order: Order, bar: Prices, day: date) -> float:
        """Return the shares of an order that this bar can fill."""
        quantity = order.remaining
        if order.reduce_only:
            position = self._portfolio.quantity(order.symbol)
            if position * quantity >= 0:
                self.orders.end(order, Status.cancelled, "there is no position to reduce", day)
                return 0
            quantity = math.copysign(min(abs(quantity), abs(position)), quantity)
        if self._setup.volume_limit is not None and bar.volume is None:
            self.notes.once(day, order.symbol, "the volume of a bar is unknown", "it limits nothing")
        elif self._setup.volume_limit is not None and bar.volume is not None and bar.volume != math.inf:
            available = self._setup.volume_limit * bar.volume - self._traded.get(order.symbol, 0)
            if not self._setup.fractional and order.remaining == int(order.remaining):
                available = math.floor(available)
            quantity = math.copysign(min(abs(quantity), max(available, 0)), quantity)
        return quantity

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
        self.orders.rename(symbol, new)
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
            self._fill(self._portfolio.orders[-1], price, bar, day)
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
        self.orders.remove_ended()


def _whole(quantity: float, *, up: bool) -> float:
    """Return a number of shares rounded to a whole number, up or down; a rounding error does not count."""
    shares = abs(quantity)
    return math.copysign(math.ceil(shares * (1 - NOTHING)) if up else math.floor(shares * (1 + NOTHING)), quantity)
