"""The execution of open orders in a session: which of them fill, in what order, how many shares, and at what cost."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from datetime import date
from functools import partial

from stockstream.analytics.backtest.engine.bars import Bars
from stockstream.analytics.backtest.engine.books import NOTHING, Books
from stockstream.analytics.backtest.engine.fees import Fees
from stockstream.analytics.backtest.engine.funds import Funds
from stockstream.analytics.backtest.engine.matching import Match, Moment, Prices, match, match_exit
from stockstream.analytics.backtest.engine.notes import Notes
from stockstream.analytics.backtest.engine.orderbook import OnOrder, OrderBook
from stockstream.analytics.backtest.model import Order, Portfolio, Setup, Status

Due = tuple[Moment, int, int, Order, float, Prices]
"""A possible fill: moment, rank (see `_due`), order id, order, price, bar. Fills sort in this order."""


class Execution:
    """Fills the orders of one account by the rules of `matching`, and has the fills booked."""

    def __init__(
        self,
        portfolio: Portfolio,
        setup: Setup,
        orders: OrderBook,
        books: Books,
        notes: Notes,
        on_filled: OnOrder | None,
    ) -> None:
        self._portfolio, self._orders, self._books, self._notes = portfolio, orders, books, notes
        self._on_filled = on_filled
        self._fees = Fees(setup)
        self._funds = Funds(portfolio, setup, books)
        self._fill_at, self._volume_limit = setup.fill_at, setup.volume_limit
        self._is_fractional, self._volume_can_be_0 = setup.fractional, setup.zero_volume == "fill"
        self._traded: dict[str, float] = {}
        """Shares filled per symbol in this session, if volume is limited."""

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
            bar = bars.of(order.symbol)
            if bar is not None and self._is_fillable(order.symbol, bar, day):
                fill = match(order, bar, self._fill_at)
                if fill is not None:
                    due.append(self._due(order, fill, bar))
        due.sort()
        is_open = Status.open
        for at, (moment, _, _, order, price, bar) in enumerate(due, 1):  # `due` grows by exits meanwhile
            if order.status is is_open:
                for exit in self.fill(order, price, bar, day):
                    self._orders.open(exit)
                    hit = None
                    if moment is Moment.open:
                        hit = match(exit, bar, self._fill_at)
                    elif moment is Moment.inside or self._fill_at == "vwap":
                        hit = match_exit(exit, order, price, bar)
                    if hit is not None:
                        insort(due, self._due(exit, hit, bar), lo=at)
        self._orders.expire(day)

    def _is_fillable(self, symbol: str, bar: Prices, day: date) -> bool:
        """Return whether orders can be filled at the prices of a bar; if not, they wait, with a note."""
        if not bar.is_possible:
            prices = f"open {bar.open:g}, high {bar.high:g}, low {bar.low:g}, close {bar.close:g}"
            self._notes.once(day, symbol, "the prices of a bar contradict each other, orders wait", prices)
            return False
        if bar.volume == 0 and not self._volume_can_be_0:
            self._notes.once(day, symbol, "the volume of a bar is 0, orders wait", "zero_volume=fill fills them")
            return False
        return True

    def _due(self, order: Order, fill: Match, bar: Prices) -> Due:
        """Return the possible fill of an order.

        Its rank is 0 for a market or stop order that reduces a position, 1 for a limit order that does, otherwise 2.
        """
        adds = order.quantity * self._portfolio.quantity(order.symbol) >= 0
        rank = 2 if adds else int(order.limit is not None)
        return fill.moment, rank, order.id, order, fill.price, bar

    def fill(self, order: Order, price: float, bar: Prices, day: date) -> Sequence[Order]:
        """Fill as much of an order as possible; return the exit orders of its bracket."""
        quantity = order.quantity - order.filled
        if order.reduce_only or self._volume_limit is not None:
            quantity = self._fillable(order, bar, day)
        if quantity == 0:
            return ()
        mark, slippage = price, 0.0
        if self._fees.has_slippage:
            slippage = self._slippage(order, quantity, price, bar)
            price += slippage if quantity > 0 else -slippage
        shares = abs(quantity)
        fee = self._fees.commission(order, shares * bar.shares, price / bar.shares)
        refusal = self._funds.refusal(order.symbol, quantity, price, fee)
        if refusal is not None and order.is_target:
            commission = partial(self._fees.commission, order)
            if fewer := self._funds.affordable(order.symbol, quantity, price, bar.shares, commission):
                quantity, shares, refusal = fewer, abs(fewer), None
                fee = commission(shares * bar.shares, price / bar.shares)
                order.quantity = order.filled + quantity
        if refusal is not None:
            self._reject(order, quantity, refusal, day)
            return ()
        if self._volume_limit is not None:
            self._traded[order.symbol] = self._traded.get(order.symbol, 0) + shares
        is_end = self._books.fill(order, quantity, price, fee, slippage * shares, day)
        if order.oco is not None or order.parent is not None:
            self._orders.add_fill(order, quantity, day)
        filled = order.filled + quantity
        order.price = (order.price * order.filled + price * quantity) / filled
        order.filled = filled
        order.commission += fee
        if abs(order.quantity - filled) <= NOTHING * abs(order.quantity):
            order.status, order.ended = Status.filled, day
        if is_end:
            self._orders.end_with_position(order.symbol, day)
        if self._on_filled is not None:
            self._on_filled(order)
        return self._orders.exits(order, quantity, mark, day)

    def _slippage(self, order: Order, quantity: float, price: float, bar: Prices) -> float:
        """Return how much worse the price of a fill becomes; a price does not fall below 0."""
        volume = None if bar.volume is None else bar.volume * bar.shares
        slippage = self._fees.slippage(order, abs(quantity) * bar.shares, price / bar.shares, volume)
        slippage *= bar.shares
        return slippage if quantity > 0 else min(slippage, price)

    def _reject(self, order: Order, quantity: float, refusal: str, day: date) -> None:
        """End an order for which the account cannot pay, with a note."""
        self._orders.end(order, Status.rejected, refusal, day)
        side = "buy" if quantity > 0 else "sell"
        self._notes.count(day, order.symbol, f"order to {side} {abs(quantity):,g} rejected: {refusal}")

    def _fillable(self, order: Order, bar: Prices, day: date) -> float:
        """Return the shares of an order that this bar can fill, if it only reduces a position or volume is limited."""
        quantity = order.remaining
        if order.reduce_only:
            position = self._portfolio.quantity(order.symbol)
            if position * quantity >= 0:
                self._orders.end(order, Status.cancelled, "there is no position to reduce", day)
                return 0
            quantity = math.copysign(min(abs(quantity), abs(position)), quantity)
        if self._volume_limit is not None and bar.volume is None:
            self._notes.once(day, order.symbol, "the volume of a bar is unknown", "it limits nothing")
        elif self._volume_limit is not None and bar.volume is not None and bar.volume != math.inf:
            available = self._volume_limit * bar.volume - self._traded.get(order.symbol, 0)
            if not self._is_fractional and order.remaining == int(order.remaining):
                available = math.floor(available)
            quantity = math.copysign(min(abs(quantity), max(available, 0)), quantity)
        return quantity
