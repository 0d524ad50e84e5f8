"""The broker: accepts orders, executes them by the rules of `matching`, and makes margin calls."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Sequence
from datetime import date
from numbers import Real

from stockstream.analytics.backtest.engine.books import NOTHING, Books
from stockstream.analytics.backtest.engine.matching import Moment, Prices, match, start_trailing
from stockstream.analytics.backtest.model import (
    Action,
    Note,
    Order,
    Portfolio,
    Setup,
    Status,
    parse_commission,
    parse_slippage,
)

ROUNDING = 1 + 1e-9
"""Tolerance of comparisons of money sums in floating point."""

Bars = Callable[[str], Prices | None]
"""Returns a symbol's bar of the session; None if it did not trade."""
Due = tuple[Moment, bool, int, Order, float, Prices]
"""A possible fill: moment, whether it adds to a position, order id, order, price, bar. Fills sort in this order."""


class OrderError(Exception):
    """An action is not a valid order."""


class Broker:
    """Accepts the actions of a strategy as orders, fills the orders, and has the fills booked."""

    def __init__(self, portfolio: Portfolio, setup: Setup, on_filled: Callable[[Order, Portfolio], None]) -> None:
        self._portfolio = portfolio
        self._setup = setup
        self._on_filled = on_filled
        self._commission = parse_commission(setup.commission)
        self._slippage = parse_slippage(setup.slippage)
        self._orders = 0
        self._traded: dict[str, float] = {}
        """Shares filled per symbol in this session, if volume is limited."""
        self._delisted: set[str] = set()
        self._brackets: set[str] = set()
        """Symbols that have had bracket exits."""
        self.books = Books(portfolio)
        self.notes: list[Note] = []

    def submit(self, action: Action, symbol: str | None, day: date) -> None:
        """Accept a strategy's action for a symbol, decided after the close of a session.

        Raises:
            OrderError: no symbol, zero shares, an invalid price, or a symbol that has not traded yet.
        """
        if symbol is None:
            raise OrderError("an order without a symbol: name it, as in Action.buy(100, symbol=...)")
        if symbol not in self._portfolio.prices:
            raise OrderError(f"an order for {symbol}, which has had no bar so far: is it one of the symbols?")
        if symbol in self._delisted:
            self.notes.append(Note(day, symbol, "order rejected: the symbol is delisted"))
        elif action.is_cancel:
            self.cancel(symbol, "by the strategy")
        elif action.quantity is None:
            self.close(symbol, day)
        else:
            _check(action, symbol)
            is_share = action.trail_percent is not None
            trail = action.trail_percent / 100 if action.trail_percent is not None else action.trail
            order = Order(
                self._next(), symbol, action.quantity, day, action.limit, action.stop, trail, is_share,
                action.stop_loss, action.take_profit, action.day,
            )  # fmt: skip
            if trail is not None:
                start_trailing(order, self._portfolio.prices[symbol])
            self._portfolio.orders.append(order)

    def close(self, symbol: str, day: date, reason: str = "") -> None:
        """Cancel a symbol's open orders, and order to close its position at the market."""
        if self._portfolio.orders:
            self.cancel(symbol, reason or "the position is closed")
        if shares := self._portfolio.quantity(symbol):
            order = Order(self._next(), symbol, -shares, day, reason=reason, only_reduces=True)
            self._portfolio.orders.append(order)

    def cancel(self, symbol: str, reason: str) -> None:
        """Cancel the open orders of a symbol."""
        for order in self._portfolio.open_orders(symbol):
            order.status, order.reason = Status.cancelled, reason
        self._portfolio.orders = [order for order in self._portfolio.orders if order.symbol != symbol]

    def trade(self, day: date, bars: Bars) -> None:
        """Execute the fills that the session's bars allow: at the open, then inside the bars, then at the close.

        At the same moment, fills that reduce a position come first, so that their money can be used; then the older
        order. The stop-loss and take-profit of a position opened at the open are active in the same session; those of a
        position opened later are active from the next session on. If a bar touches both, the stop-loss fills.
        """
        self._traded.clear()
        due: list[Due] = []
        for order in self._portfolio.orders:
            if (bar := bars(order.symbol)) is not None:
                self._match(order, bar, due, 0)
        at = 0
        while at < len(due):
            moment, _, _, order, price, bar = due[at]
            at += 1
            if order.status is Status.open:
                for exit in self._fill(order, price, bar, day):
                    self._portfolio.orders.append(exit)
                    if moment is Moment.open:
                        self._match(exit, bar, due, at)
        remaining = []
        for order in self._portfolio.orders:
            if order.status is Status.open and order.day:
                order.status, order.reason = Status.expired, "valid for one session"
            elif order.status is Status.open:
                remaining.append(order)
        self._portfolio.orders = remaining

    def _match(self, order: Order, bar: Prices, due: list[Due], since: int) -> None:
        if (fill := match(order, bar, self._setup.fill_at)) is not None:
            adds = order.quantity * self._portfolio.quantity(order.symbol) >= 0
            insort(due, (fill.moment, adds, order.id, order, fill.price, bar), lo=since)

    def _fill(self, order: Order, price: float, bar: Prices, day: date) -> Sequence[Order]:
        """Fill as much of an order as possible; return the exit orders of its bracket."""
        quantity = self._fillable(order, bar)
        if quantity == 0:
            return ()
        slippage = 0.0
        if self._slippage is not None and order.limit is None:
            slippage = self._slippage(abs(quantity), price, bar.volume)
            slippage = slippage if quantity > 0 else min(slippage, price)
            price += slippage if quantity > 0 else -slippage
        fee = self._commission(abs(quantity), price)
        if refusal := self._refusal(order.symbol, quantity, price, fee):
            order.status, order.reason = Status.rejected, refusal
            side = "buy" if quantity > 0 else "sell"
            self.notes.append(Note(day, order.symbol, f"order to {side} {abs(quantity):,g} rejected: {refusal}"))
            return ()
        before = self._portfolio.quantity(order.symbol)
        self.books.fill(order, quantity, price, fee, slippage * abs(quantity), day)
        if self._setup.volume_limit is not None:
            self._traded[order.symbol] = self._traded.get(order.symbol, 0) + abs(quantity)
        filled = order.filled + quantity
        order.price = (order.price * order.filled + price * quantity) / filled
        order.filled = filled
        order.commission += fee
        if abs(order.remaining) <= NOTHING * abs(order.quantity):
            order.status = Status.filled
        if (other := order.sibling) is not None:
            other.quantity -= quantity
            if abs(other.remaining) <= NOTHING * abs(quantity):
                _cancel(other, f"the {order.reason} was filled")
        if order.symbol in self._brackets and before * self._portfolio.quantity(order.symbol) <= 0:
            self._drop_exits(order.symbol)
        self._on_filled(order, self._portfolio)
        return self._exits(order, quantity, day)

    def _drop_exits(self, symbol: str) -> None:
        """Cancel the exit orders of a closed position; they must not reduce the next position in the symbol."""
        for order in self._portfolio.orders:
            if order.symbol == symbol and order.only_reduces and order.status is Status.open:
                _cancel(order, "the position is closed")

    def _fillable(self, order: Order, bar: Prices) -> float:
        """Return the shares of an order that this bar can fill."""
        quantity = order.remaining
        if order.only_reduces:
            position = self._portfolio.quantity(order.symbol)
            if position * quantity >= 0:
                _cancel(order, "the position is closed")
                return 0
            quantity = math.copysign(min(abs(quantity), abs(position)), quantity)
        if self._setup.volume_limit is not None and bar.volume != math.inf:
            available = math.floor(self._setup.volume_limit * (bar.volume or 0)) - self._traded.get(order.symbol, 0)
            quantity = math.copysign(min(abs(quantity), max(available, 0)), quantity)
        return quantity

    def _refusal(self, symbol: str, quantity: float, price: float, fee: float) -> str | None:
        """Return why a fill is rejected, or None; a fill that only reduces a position is always allowed."""
        portfolio, setup = self._portfolio, self._setup
        before = portfolio.quantity(symbol)
        after = before + quantity
        if before * quantity < 0 and before * after >= 0:
            return None
        if after < 0 and not setup.allow_short:
            return "selling short is not allowed"
        if setup.leverage == 1 and not self.books.shorts and after > 0:
            cost = quantity * price + fee
            if cost <= portfolio.cash * ROUNDING:
                return None
            return f"it costs {cost:,.2f}, and there is {portfolio.cash:,.2f}"
        close = portfolio.prices[symbol]
        equity = portfolio.equity + before * (price - close) - fee
        exposure = portfolio.exposure - abs(before) * close + abs(after) * price
        if exposure <= setup.leverage * equity * ROUNDING:
            return None
        return f"exposure would be {exposure:,.2f}, and {setup.leverage:g} x equity is {setup.leverage * equity:,.2f}"

    def _exits(self, order: Order, quantity: float, day: date) -> Sequence[Order]:
        """Return the exit orders for the shares that a bracket order has just filled; each cancels the other."""
        if order.stop_loss is None and order.take_profit is None:
            return ()
        self._brackets.add(order.symbol)
        exits = []
        for reason, stop, limit in (("stop-loss", order.stop_loss, None), ("take-profit", None, order.take_profit)):
            if stop is not None or limit is not None:
                exit = Order(self._next(), order.symbol, -quantity, day, limit, stop, reason=reason, only_reduces=True)
                exits.append(exit)
        if len(exits) == 2:
            exits[0].sibling, exits[1].sibling = exits[1], exits[0]
        return exits

    def call_margin(self, day: date) -> None:
        """Order to close all positions if equity ÷ exposure at the close is below the maintenance margin."""
        portfolio, setup = self._portfolio, self._setup
        equity, exposure = portfolio.equity, portfolio.exposure
        if equity < setup.maintenance_margin * exposure:
            text = f"margin call: equity of {equity:,.2f} for an exposure of {exposure:,.2f}"
            self.notes.append(Note(day, None, text))
            for symbol in list(portfolio.positions):
                self.close(symbol, day, "margin call")

    def delist(self, symbol: str, last: date, day: date) -> None:
        """Close the position in a delisted symbol at its last price, because no later one exists."""
        self._delisted.add(symbol)
        self.cancel(symbol, "delisted")
        if shares := self._portfolio.quantity(symbol):
            price = self._portfolio.prices[symbol]
            self.notes.append(Note(day, symbol, f"delisted after {last}: {shares:,g} shares closed at {price:,g}"))
            self.books.close_out(symbol, shares, price, day, "delisted")

    def liquidate(self, day: date, reason: str) -> None:
        """Close all positions at their last close, with commission and slippage."""
        for symbol in list(self._portfolio.positions):
            self.close(symbol, day, reason)
            price = self._portfolio.prices[symbol]
            self._fill(self._portfolio.orders[-1], price, Prices(price, price, price, price, math.inf), day)
        self._portfolio.orders.clear()

    def split(self, symbol: str, ratio: float, day: date) -> None:
        """Apply a split to the books and to the symbol's open orders."""
        self.books.split(symbol, ratio, day)
        for order in self._portfolio.open_orders(symbol):
            remaining, was_whole = order.remaining * ratio, order.remaining == int(order.remaining)
            order.filled *= ratio
            if was_whole:
                remaining = math.copysign(math.floor(abs(remaining) * (1 + NOTHING)), remaining)
            order.quantity = order.filled + remaining
            if remaining == 0:
                order.status, order.reason = Status.cancelled, "a split left no share of the order"
            for name in ("limit", "stop", "stop_loss", "take_profit", *(() if order.trail_is_share else ("trail",))):
                if (price := getattr(order, name)) is not None:
                    setattr(order, name, price / ratio)
        self._portfolio.orders = [order for order in self._portfolio.orders if order.status is Status.open]

    def _next(self) -> int:
        self._orders += 1
        return self._orders


def _cancel(order: Order, reason: str) -> None:
    """Cancel an order. A partly filled order keeps its reason, because its trade reports that reason."""
    order.status = Status.cancelled
    order.reason = order.reason if order.filled else reason


PRICES = ("limit", "stop", "trail", "trail_percent", "stop_loss", "take_profit")


def _check(action: Action, symbol: str) -> None:
    if not _is_number(action.quantity) or action.quantity == 0:
        raise OrderError(f"an order for {action.quantity!r} shares of {symbol}: the number must be above 0")
    for name in PRICES:
        price = getattr(action, name)
        if price is not None and not (_is_number(price) and price > 0):
            raise OrderError(f"an order for {symbol} with {name}={price!r}: it must be a number above 0")
    if action.trail is not None and action.trail_percent is not None:
        raise OrderError(f"an order for {symbol} with trail and trail_percent: name one of them")
    if (action.trail or action.trail_percent) and (action.stop or action.limit):
        raise OrderError(f"an order for {symbol} with a trailing stop and another price: name one of them")


def _is_number(value: object) -> bool:
    # The plain types come first, because the check against the abstract class Real is slow.
    if isinstance(value, (float, int, Real)):
        return not isinstance(value, bool) and math.isfinite(value)
    return False
