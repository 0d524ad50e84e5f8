"""The account's books: how fills, splits, dividends, borrow fees and interest change a portfolio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

from stockstream.analytics.backtest.engine.ledger import Booking
from stockstream.analytics.backtest.model import (
    ClosedPosition,
    Costs,
    Movement,
    Order,
    Portfolio,
    Position,
    Transaction,
    position_view,
)

YEAR = 365
"""Days per year: rates accrue by calendar day."""
NOTHING = 1e-12
"""A smaller share of a quantity is a rounding error: a position of which less is left counts as closed."""


class Books:
    """The only place that changes a portfolio's cash and positions."""

    def __init__(self, portfolio: Portfolio) -> None:
        self._portfolio = portfolio
        self.shorts = 0
        """Number of open short positions."""
        self.bookings: list[Booking] = []
        self.transfers: list[Movement] = []
        """Changes of positions that move no cash: splits, and changes of their symbol's code."""
        """The changes of the cash that are no fills."""
        self._commission = self._slippage = self._borrow = self._interest = 0.0

    @property
    def is_borrowing(self) -> bool:
        """Whether the account borrows shares or money."""
        return self.shorts > 0 or self._portfolio.cash < 0

    @property
    def costs(self) -> Costs:
        """Total costs so far."""
        return Costs(self._commission, self._slippage, self._borrow, self._interest)

    @costs.setter
    def costs(self, costs: Costs) -> None:
        self._commission, self._slippage = costs.commission, costs.slippage
        self._borrow, self._interest = costs.borrow, costs.interest

    def _book(self, day: date, symbol: str | None, kind: str, quantity: float, price: float, amount: float) -> None:
        """Change the cash by an amount that is no fill."""
        portfolio = self._portfolio
        portfolio.cash += amount
        self.bookings.append(Booking(day, symbol, kind, quantity, price, amount, len(portfolio.transactions)))

    def fill(self, order: Order, quantity: float, price: float, fee: float, slippage: float, day: date) -> bool:
        """Book a fill, and return whether it ended a position.

        A fill that turns a long position short, or the reverse, closes one trade and opens another.

        Args:
            order: the order that filled.
            quantity: shares, negative if sold.
            price: price per share, slippage included.
            fee: commission in money.
            slippage: cost of slippage in money.
            day: the session.
        """
        portfolio = self._portfolio
        fill = Transaction(day, order.symbol, quantity, price, fee, slippage, order.id, order.kind)
        list.append(portfolio.transactions, fill)
        self._commission += fee
        self._slippage += slippage
        portfolio.cash -= quantity * price + fee
        position = portfolio.positions.get(order.symbol)
        if position is None:
            self._change(order, None, quantity, price, fee, day)
            return False
        before = position.quantity
        if before * (before + quantity) < 0 and not self._is_nothing(position, quantity):
            share = -before / quantity
            self._change(order, position, -before, price, fee * share, day)
            self._change(order, None, before + quantity, price, fee * (1 - share), day)
            return True
        return self._change(order, position, quantity, price, fee, day)

    @staticmethod
    def _is_nothing(position: Position, quantity: float = 0.0) -> bool:
        """Return whether a position after a fill of `quantity` more shares is a rounding error of what was traded."""
        return abs(position.quantity + quantity) <= NOTHING * max(position.bought, position.sold)

    def _change(
        self, order: Order, position: Position | None, quantity: float, price: float, fee: float, day: date
    ) -> bool:
        """Add shares to a position (None: to a new one), and return whether none is left."""
        portfolio = self._portfolio
        adds = position is None or position.is_long == (quantity > 0)
        if position is None:
            position = self._open(Position(order.symbol, 0, price, day, quantity > 0))
        elif adds:
            total = position.quantity + quantity
            position.entry_price = (position.entry_price * position.quantity + price * quantity) / total
        if portfolio.worth is not None:
            close, (long, short) = portfolio.prices[order.symbol], portfolio.worth
            change = quantity * close
            portfolio.worth = (long + change, short) if position.is_long else (long, short + change)
        position.quantity += quantity
        position.commission += fee
        if quantity > 0:
            position.bought += quantity
            position.paid += quantity * price
        else:
            position.sold -= quantity
            position.received -= quantity * price
        if adds or not self._is_nothing(position):
            return False
        self._close(position, day, order.reason)
        return True

    def _open(self, position: Position) -> Position:
        """Add a position to the portfolio, and return it."""
        self._portfolio.positions[position.symbol] = position
        dict.__setitem__(self._portfolio.position_views, position.symbol, position_view(position))
        self.shorts += not position.is_long
        return position

    def _close(self, position: Position, day: date, reason: str) -> None:
        del self._portfolio.positions[position.symbol]
        dict.__delitem__(self._portfolio.position_views, position.symbol)
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
        list.append(self._portfolio.closed_positions, trade)

    def close_out(self, symbol: str, quantity: float, price: float, day: date, reason: str) -> None:
        """Convert shares of a position (negative: short) into cash at a price, without a fill and its costs."""
        position = self._portfolio.positions[symbol]
        self._book(day, symbol, reason, -quantity, price, quantity * price)
        self._portfolio.worth = None
        position.quantity -= quantity
        if quantity > 0:
            position.sold += quantity
            position.received += quantity * price
        else:
            position.bought -= quantity
            position.paid -= quantity * price
        if self._is_nothing(position):
            self._close(position, day, reason)

    def rename(self, symbol: str, new: str, day: date) -> None:
        """Move a position and the last close of a symbol to its new code."""
        portfolio = self._portfolio
        dict.__setitem__(portfolio.prices, new, portfolio.prices[symbol])
        if (position := portfolio.positions.pop(symbol, None)) is not None:
            position.symbol = new
            price = portfolio.prices[symbol]
            self.transfers.append(Movement(day, symbol, -position.quantity, price, 0.0))
            self.transfers.append(Movement(day, new, position.quantity, price, 0.0))
            portfolio.positions[new] = position
            dict.__setitem__(portfolio.position_views, new, dict.pop(portfolio.position_views, symbol))

    def split(self, symbol: str, ratio: float, day: date) -> None:
        """Convert each share into `ratio` shares before the session.

        If the position was a whole number of shares, the fraction of a share that the split leaves is paid in cash,
        unless the account is fractional.
        """
        portfolio = self._portfolio
        dict.__setitem__(portfolio.prices, symbol, portfolio.prices[symbol] / ratio)
        portfolio.worth = None
        position = portfolio.positions.get(symbol)
        if position is None:
            return
        self.transfers.append(Movement(day, symbol, 0.0, portfolio.prices[symbol], 0.0, ratio))
        was_whole = position.quantity == int(position.quantity) and not portfolio.is_fractional
        position.quantity *= ratio
        position.entry_price /= ratio
        position.bought *= ratio
        position.sold *= ratio
        whole = math.floor(abs(position.quantity) * (1 + NOTHING))
        fraction = position.quantity - math.copysign(whole, position.quantity)
        if was_whole and abs(fraction) > NOTHING * abs(position.quantity):
            self.close_out(symbol, fraction, portfolio.prices[symbol], day, "split")

    def dividend(self, symbol: str, amount: float, day: date) -> None:
        """Credit a dividend of `amount` per share to a position from before the ex-date; a short position pays it."""
        position = self._portfolio.positions.get(symbol)
        if position is not None:
            position.dividends += position.quantity * amount
            self._book(day, symbol, "dividend", position.quantity, amount, position.quantity * amount)

    def accrue(
        self, day: date, days: int, borrow_rate: float, interest_rate: float, rates: Mapping[str, float]
    ) -> None:
        """Charge the borrow fee on short positions, valued at their last close, and the interest on negative cash.

        Args:
            day: the session.
            days: calendar days since the last session.
            borrow_rate: annual fraction of the short positions' value.
            interest_rate: annual fraction of negative cash.
            rates: the borrow rates of single symbols.
        """
        portfolio = self._portfolio
        if self.shorts:
            shorts = [position for position in portfolio.positions.values() if not position.is_long]
            annual = [-p.quantity * portfolio.prices[p.symbol] * rates.get(p.symbol, borrow_rate) for p in shorts]
            cost = sum(annual) * days / YEAR
            self._borrow += cost
            self._book(day, None, "borrow fee", 0.0, 0.0, -cost)
        if portfolio.cash < 0:
            cost = -portfolio.cash * interest_rate * days / YEAR
            self._interest += cost
            self._book(day, None, "interest", 0.0, 0.0, -cost)
