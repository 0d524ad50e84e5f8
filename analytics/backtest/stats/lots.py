"""Round trips: each reduction of a position with the earlier shares that it closes, first in, first out.

A closed trade lasts from the first share to the last, and so an account that is only rebalanced has none. Round trips
show what its sales earned. The matching is that of pyfolio's `extract_round_trips`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from stockstream.analytics.backtest.model import Movement
from stockstream.analytics.backtest.stats.trading import average, profit_factor, win_rate

NOTHING = 1e-9
"""A smaller share of a lot is a rounding error: the lot counts as closed."""


class RoundTrip(NamedTuple):
    """Shares that were opened on one day and closed on another, or the same one."""

    symbol: str
    quantity: float
    """Shares closed, adjusted for splits up to the exit; negative for a short position."""
    entry_date: date
    exit_date: date
    entry_price: float
    """Price per share, slippage included, adjusted for splits up to the exit."""
    exit_price: float
    pnl: float
    """Profit in money after commission, without dividends: these belong to days, not to shares."""


@dataclass
class _Lot:
    opened: date
    quantity: float
    price: float
    fee: float
    """Commission per share."""


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """The figures of round trips."""

    count: int
    win_rate: float | None
    profit_factor: float | None
    average: float | None
    """Mean profit in money."""
    pnl: float
    """Total profit in money."""
    average_days: float | None
    """Mean number of calendar days between entry and exit, each share with the same weight per round trip."""


def round_trips(movements: Iterable[Movement]) -> list[RoundTrip]:
    """Return the round trips in the order of their exits.

    Args:
        movements: the changes of all positions, in order; splits change quantity and price of the open lots.
    """
    trips: list[RoundTrip] = []
    lots: dict[str, deque[_Lot]] = {}
    for move in movements:
        queue = lots.setdefault(move.symbol, deque())
        if move.ratio != 1:
            for lot in queue:
                lot.quantity, lot.price, lot.fee = (
                    lot.quantity * move.ratio,
                    lot.price / move.ratio,
                    lot.fee / move.ratio,
                )
            continue
        left, fee = move.quantity, move.commission / abs(move.quantity) if move.quantity else 0.0
        while queue and left * queue[0].quantity < 0:
            lot = queue[0]
            quantity = math.copysign(min(abs(left), abs(lot.quantity)), lot.quantity)
            pnl = quantity * (move.price - lot.price) - abs(quantity) * (lot.fee + fee)
            trips.append(RoundTrip(move.symbol, quantity, lot.opened, move.date, lot.price, move.price, pnl))
            left += quantity
            if abs(lot.quantity - quantity) <= NOTHING * abs(lot.quantity):
                queue.popleft()
            else:
                lot.quantity -= quantity
            if abs(left) <= NOTHING * abs(move.quantity):
                left = 0.0
        if left:
            queue.append(_Lot(move.date, left, move.price, fee))
    return trips


def trip_figures(trips: Sequence[RoundTrip]) -> RoundTrips:
    """Return the figures of round trips; those without a meaning are None."""
    pnl = np.array([trip.pnl for trip in trips], dtype=np.float64)
    days = np.array([(trip.exit_date - trip.entry_date).days for trip in trips], dtype=np.float64)
    return RoundTrips(len(pnl), win_rate(pnl), profit_factor(pnl), average(pnl), float(pnl.sum()), average(days))
