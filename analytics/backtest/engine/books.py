"""The account's books: what fills, splits, dividends, borrowed shares and borrowed money do to a portfolio."""

from __future__ import annotations

import math
from datetime import date

from stockstream.analytics.backtest.model.orders import Order
from stockstream.analytics.backtest.model.portfolio import ClosedPosition, Portfolio, Position, Transaction
from stockstream.analytics.backtest.model.result import Costs

YEAR = 365
"""Days; rates are charged by the calendar."""
NOTHING = 1e-9
"""Shares; what rounding leaves of a position that is closed."""


class Books:
    """Everything that changes a portfolio's cash and positions."""

    def __init__(self, portfolio: Portfolio) -> None:
        self._portfolio = portfolio
        self.shorts = 0
        """Open short positions."""
        self._commission = self._slippage = self._borrow = self._interest = 0.0

    @property
    def is_lent(self) -> bool:
        """Whether shares or money are borrowed."""
        return self.shorts > 0 or self._portfolio.cash < 0

    @property
    def costs(self) -> Costs:
        """What was paid so far."""
        return Costs(self._commission, self._slippage, self._borrow, self._interest)

    def fill(self, order: Order, quantity: float, price: float, fee: float, slipped: float, day: date) -> None:
        """Book a fill; one through zero closes a position and opens another. `slipped` is money, and in `price`."""
        portfolio = self._portfolio
        portfolio.transactions.append(
            Transaction(day, order.symbol, quantity, price, fee, slipped, order.id, order.kind)
        )
        self._commission += fee
        self._slippage += slipped
        portfolio.cash -= quantity * price + fee
        held = portfolio.quantity(order.symbol)
        if held * (held + quantity) < 0:
            share = -held / quantity
            self._change(order, -held, price, fee * share, day)
            self._change(order, held + quantity, price, fee * (1 - share), day)
        else:
            self._change(order, quantity, price, fee, day)

    def _change(self, order: Order, quantity: float, price: float, fee: float, day: date) -> None:
        positions = self._portfolio.positions
        position = positions.get(order.symbol)
        if position is None:
            position = positions[order.symbol] = Position(order.symbol, 0, price, day, is_long=quantity > 0)
            self.shorts += not position.is_long
        elif position.is_long == (quantity > 0):
            total = position.quantity + quantity
            position.entry_price = (position.entry_price * position.quantity + price * quantity) / total
        position.quantity += quantity
        position.commission += fee
        if quantity > 0:
            position.bought += quantity
            position.paid += quantity * price
        else:
            position.sold -= quantity
            position.received -= quantity * price
        if abs(position.quantity) < NOTHING:
            self._close(position, day, order.reason)

    def _close(self, position: Position, day: date, reason: str) -> None:
        del self._portfolio.positions[position.symbol]
        self.shorts -= not position.is_long
        bought, sold = position.bought, position.sold
        mean_paid = position.paid / bought if bought else 0.0
        mean_received = position.received / sold if sold else 0.0
        pnl = position.received - position.paid - position.commission + position.dividends
        if position.is_long:
            quantity, opened, entry_price, exit_price = bought, position.paid, mean_paid, mean_received
        else:
            quantity, opened, entry_price, exit_price = -sold, position.received, mean_received, mean_paid
        trade = ClosedPosition(
            position.symbol, quantity, position.entry_date, day, entry_price, exit_price, pnl,
            100 * pnl / opened if opened else 0.0, position.commission, position.dividends, reason,
        )  # fmt: skip
        self._portfolio.closed_positions.append(trade)

    def settle(self, symbol: str, quantity: float, price: float, day: date, reason: str) -> None:
        """Turn shares that are held (negative: short) into cash at a price, without a trade and its costs."""
        position = self._portfolio.positions[symbol]
        self._portfolio.cash += quantity * price
        position.quantity -= quantity
        if quantity > 0:
            position.sold += quantity
            position.received += quantity * price
        else:
            position.bought -= quantity
            position.paid -= quantity * price
        if abs(position.quantity) < NOTHING:
            self._close(position, day, reason)

    def split(self, symbol: str, ratio: float, day: date) -> None:
        """Turn each share into `ratio` shares, before the session; where they were whole, a fraction is paid out."""
        portfolio = self._portfolio
        portfolio.prices[symbol] /= ratio
        position = portfolio.positions.get(symbol)
        if position is None:
            return
        was_whole = position.quantity == int(position.quantity)
        position.quantity *= ratio
        position.entry_price /= ratio
        position.bought *= ratio
        position.sold *= ratio
        whole = math.floor(abs(position.quantity) + NOTHING)
        fraction = position.quantity - math.copysign(whole, position.quantity)
        if was_whole and abs(fraction) > NOTHING:
            self.settle(symbol, fraction, portfolio.prices[symbol], day, "split")

    def dividend(self, symbol: str, amount: float) -> None:
        """Credit a dividend a share on a position held into the ex-date; a short one pays it."""
        position = self._portfolio.positions.get(symbol)
        if position is not None:
            position.dividends += position.quantity * amount
            self._portfolio.cash += position.quantity * amount

    def accrue(self, days: int, borrow_rate: float, interest_rate: float) -> None:
        """Charge so many days of borrowed shares, at their last close, and of negative cash."""
        portfolio = self._portfolio
        if self.shorts:
            short = sum(-p.quantity * portfolio.prices[p.symbol] for p in portfolio.positions.values() if not p.is_long)
            cost = short * borrow_rate * days / YEAR
            self._borrow += cost
            portfolio.cash -= cost
        if portfolio.cash < 0:
            cost = -portfolio.cash * interest_rate * days / YEAR
            self._interest += cost
            portfolio.cash -= cost
