"""The orders of an account: their ids, how they end, and what ties them to each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date

from stockstream.analytics.backtest.engine.books import NOTHING
from stockstream.analytics.backtest.engine.matching import start_trailing
from stockstream.analytics.backtest.model import Order, Portfolio, Status

OnOrder = Callable[[Order], None]
"""Callback for an order that is filled, or that is cancelled, expires or is rejected."""


class OrderBook:
    """Opens and ends orders. The open ones are in `portfolio.orders`, all of them in `log`."""

    def __init__(self, portfolio: Portfolio, on_unfilled: OnOrder | None) -> None:
        self._portfolio = portfolio
        self._on_unfilled = on_unfilled
        self.log: list[Order] = []
        """All orders of the run, in the order of their ids."""
        self.ids = 0
        """The id of the last order."""

    def next_id(self) -> int:
        """Return the id of a new order: 1, 2, …"""
        self.ids += 1
        return self.ids

    def open(self, order: Order) -> None:
        """Add an order to the open ones and to the log."""
        self._portfolio.orders.add(order)
        self.log.append(order)

    def reject(self, order: Order, reason: str, day: date) -> None:
        """Log an order that was never open."""
        self.log.append(order)
        self.end(order, Status.rejected, reason, day)

    def end(self, order: Order, status: Status, reason: str, day: date) -> None:
        """End an order that is not filled, and notify the strategy.

        Raises:
            OrderError: the strategy's callback returned something that would be ignored.
        """
        order.status, order.end_reason, order.ended = status, reason, day
        if self._on_unfilled is not None:
            self._on_unfilled(order)

    def cancel(self, orders: list[Order], reason: str, day: date) -> None:
        """Cancel open orders."""
        for order in orders:
            self.end(order, Status.cancelled, reason, day)
        if orders:
            self._portfolio.orders.remove_ended()

    def expire(self, day: date) -> None:
        """End the orders that are valid for this session only, and remove all that have ended."""
        for order in self._portfolio.orders:
            if order.day and order.status is Status.open:
                self.end(order, Status.expired, "valid for one session", day)
        self._portfolio.orders.remove_ended()

    def of(self, order: int | str | None, symbol: str) -> list[Order]:
        """Return the open order with an id, or those of a symbol with a tag (None: all of the symbol)."""
        if isinstance(order, int):
            return self.with_id(order)
        return [one for one in self._portfolio.open_orders(symbol) if order is None or one.tag == order]

    def with_id(self, id: int) -> list[Order]:
        """Return the open order with an id, in a list; it is empty if there is none."""
        return [order for order in self._portfolio.orders if order.id == id and order.status is Status.open]

    def add_fill(self, order: Order, quantity: float, day: date) -> None:
        """Change what a fill of `quantity` shares means for other orders: call it before the fill is in `order.filled`.

        The open orders of the same name `oco` lose the fraction of their shares that was filled of this order. An
        order that opened the position of an exit ends, because it must not open the position again.
        """
        if order.oco is not None:
            share = quantity / order.remaining
            what = f"the {order.reason}" if order.reason else f"order {order.id}"
            for other in self._portfolio.orders:
                if other.oco == order.oco and other is not order and other.status is Status.open:
                    self._reduce(other, share, f"{what} was filled", day)
        if order.parent is not None:
            for entry in self.with_id(order.parent):
                self.end(entry, Status.cancelled, f"its {order.reason} was filled", day)

    def _reduce(self, order: Order, share: float, reason: str, day: date) -> None:
        """Take a fraction of its remaining shares from an order; a whole number of shares stays whole."""
        left = order.remaining * (1 - share)
        if order.remaining == int(order.remaining):
            left = math.copysign(math.floor(abs(left) * (1 + NOTHING)), left)
        if abs(left) <= NOTHING * abs(order.quantity):
            self.end(order, Status.cancelled, reason, day)
        else:
            order.quantity = order.filled + left

    def bind_exits(self, symbol: str, shares: float) -> list[Order]:
        """Let a symbol's stop and limit orders that reduce a position of `shares` end with it; return its other orders.

        The rest of an order that its stop has turned into a market order is one of the others.
        """
        others = []
        for order in self._portfolio.open_orders(symbol):
            if order.quantity * shares < 0 and (order.limit is not None or self._waits_for_stop(order)):
                order.reduce_only = True
            else:
                others.append(order)
        return others

    @staticmethod
    def _waits_for_stop(order: Order) -> bool:
        return order.stop is not None and not order.is_triggered

    def end_with_position(self, symbol: str, day: date) -> None:
        """Cancel the orders that must not reduce the next position in a symbol, after a position was closed."""
        for order in self._portfolio.open_orders(symbol):
            if order.reduce_only and order.status is Status.open:
                self.end(order, Status.cancelled, "the position is closed", day)

    def exits(self, entry: Order, quantity: float, price: float, day: date) -> list[Order]:
        """Return the new exits for shares that a bracket order has just filled; a fill of one reduces the other.

        If the entry was filled in part before, its exits grow instead.

        Args:
            entry: the bracket order.
            quantity: shares, negative if sold.
            price: the price of the fill before slippage, from which a trailing stop-loss starts.
            day: the session.
        """
        if entry.stop_loss is None and entry.take_profit is None and entry.exit_trail is None:
            return []
        orders = self._portfolio.open_orders(entry.symbol)
        existing = [one for one in orders if one.parent == entry.id and one.status is Status.open]
        for order in existing:
            order.quantity -= quantity
        if existing:
            return []
        exits = []
        if entry.stop_loss is not None or entry.exit_trail is not None:
            exits.append(self.exit(entry, quantity, "stop-loss", day))
            exits[0].stop = entry.stop_loss
            exits[0].trail, exits[0].trail_is_share = entry.exit_trail, entry.exit_trail_is_share
            if entry.stop_loss is None:
                start_trailing(exits[0], price)
        if entry.take_profit is not None:
            exits.append(self.exit(entry, quantity, "take-profit", day))
            exits[-1].limit = entry.take_profit
        return exits

    def exit(self, entry: Order, quantity: float, reason: str, day: date) -> Order:
        """Return an order without a price that sells what an entry bought, or buys back what it sold."""
        return Order(
            self.next_id(), entry.symbol, -quantity, day, reduce_only=True, oco=f"exits of {entry.id}", tag=entry.tag,
            parent=entry.id, reason=reason,
        )  # fmt: skip
