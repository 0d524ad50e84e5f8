"""Actions on what exists already: change open orders, set the exits of a position, and order to a target."""

from __future__ import annotations

import math
from datetime import date

from stockstream.analytics.backtest.engine.acceptance import OrderError, check, distance, plain
from stockstream.analytics.backtest.engine.matching import start_trailing
from stockstream.analytics.backtest.engine.orderbook import OrderBook
from stockstream.analytics.backtest.model import Action, Order, Portfolio, Verb, fixed_money


class Changes:
    """Carries out the actions of a strategy that are not simply a new order."""

    def __init__(self, portfolio: Portfolio, orders: OrderBook) -> None:
        self._portfolio = portfolio
        self._orders = orders

    def change(self, action: Action, symbol: str, day: date) -> str | None:
        """Change open orders; return what to note if there is none with the action's id or tag.

        Raises:
            OrderError: a number is invalid.
        """
        check(action, symbol)
        if action.quantity is not None and action.quantity <= 0:
            raise OrderError(f"a change to {action.quantity!r} shares of {symbol}: it must be above 0")
        orders = self._orders.of(action.order, symbol)
        for order in orders:
            if action.quantity is not None:
                order.quantity = order.filled + math.copysign(plain(action.quantity), order.quantity)
            for name in ("limit", "stop", "stop_loss", "take_profit"):
                if (price := getattr(action, name)) is not None:
                    setattr(order, name, plain(price))
            self._trail(order, action.trail, action.trail_percent)
            exit_trail, is_share = distance(action.exit_trail, action.exit_trail_percent)
            if exit_trail is not None:
                order.exit_trail, order.exit_trail_is_share = exit_trail, is_share
        return None if orders else f"no open order {action.order!r} to change"

    def set_exits(self, action: Action, symbol: str, day: date) -> str | None:
        """Move the exits of a position, and create the missing ones; return what to note if there is no position.

        Raises:
            OrderError: a number is invalid.
        """
        check(action, symbol)
        if not self._portfolio.quantity(symbol):
            return "there is no position whose exits to set"
        if (action.stop_loss, action.exit_trail, action.exit_trail_percent) != (None, None, None):
            for order in self._exits(symbol, "stop-loss", action, day):
                order.stop = order.stop if action.stop_loss is None else plain(action.stop_loss)
                self._trail(order, action.exit_trail, action.exit_trail_percent)
        if action.take_profit is not None:
            for order in self._exits(symbol, "take-profit", action, day):
                order.limit = plain(action.take_profit)
        return None

    def _exits(self, symbol: str, reason: str, action: Action, day: date) -> list[Order]:
        """Return the open exits of a kind; if there is none, open one for all shares of the position."""
        exits = [one for one in self._portfolio.open_orders(symbol) if one.reason == reason and not one.is_triggered]
        if not exits:
            shares = self._portfolio.quantity(symbol)
            id, tag = self._orders.next_id(), action.tag
            exits = [Order(id, symbol, -shares, day, reduce_only=True, tag=tag, reason=reason)]
            self._orders.open(exits[0])
        return exits

    def _trail(self, order: Order, money: float | None, percent: float | None) -> None:
        trail, is_share = distance(money, percent)
        if trail is not None:
            order.trail, order.trail_is_share = trail, is_share
            if order.stop is None:
                start_trailing(order, self._portfolio.prices[order.symbol])

    def missing(self, action: Action, symbol: str, day: date) -> float:
        """Cancel the open orders to earlier targets of a symbol; return the shares that are missing to the new one.

        Raises:
            OrderError: the target is not a finite number.
        """
        check(action, symbol)
        assert action.quantity is not None
        portfolio = self._portfolio
        amount: float = plain(action.quantity)
        earlier = [order for order in portfolio.open_orders(symbol) if order.is_target]
        self._orders.cancel(earlier, "replaced by another target", day)
        if action.verb is Verb.target_percent:
            amount *= max(portfolio.equity, 0.0) / 100
        if action.verb is not Verb.target:
            amount = fixed_money(portfolio, symbol, amount)
        return amount - portfolio.quantity(symbol)
