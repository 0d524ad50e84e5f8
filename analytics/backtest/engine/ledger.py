"""The ledger: every change of the cash, with the cash after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from stockstream.analytics.backtest.model import LedgerEntry, Portfolio


class Booking(NamedTuple):
    """A change of the cash that is no fill."""

    date: date
    symbol: str | None
    kind: str
    quantity: float
    price: float
    amount: float
    """Money, negative if paid."""
    fills: int
    """Number of the account's fills before it."""


def ledger_of(portfolio: Portfolio, bookings: Sequence[Booking], first: date) -> list[LedgerEntry]:
    """Return the ledger of an account, in the order in which its cash changed.

    The amounts are added in the order in which the engine added them, so that the last `cash` is exactly the account's.

    Args:
        portfolio: the account.
        bookings: the changes of its cash that are no fills.
        first: the first session.
    """
    cash, ledger = 0.0, []
    start = Booking(first, None, "initial capital", 0.0, 0.0, portfolio.initial_capital, 0)
    for one, commission in _merged(portfolio, [start, *bookings]):
        cash += one.amount
        ledger.append(
            LedgerEntry(one.date, one.symbol, one.kind, one.quantity, one.price, commission, one.amount, cash)
        )
    return ledger


def _merged(portfolio: Portfolio, bookings: Sequence[Booking]) -> Iterator[tuple[Booking, float]]:
    """Yield fills and other bookings in their order, each with its commission."""
    position = 0
    for booking in bookings:
        yield from _fills(portfolio, position, booking.fills)
        yield booking, 0.0
        position = booking.fills
    yield from _fills(portfolio, position, len(portfolio.transactions))


def _fills(portfolio: Portfolio, first: int, last: int) -> Iterator[tuple[Booking, float]]:
    for number in range(first, last):
        fill = portfolio.transactions[number]
        kind = "buy" if fill.quantity > 0 else "sell"
        amount = -(fill.quantity * fill.price + fill.commission)
        yield Booking(fill.date, fill.symbol, kind, fill.quantity, fill.price, amount, number), fill.commission
