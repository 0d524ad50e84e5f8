"""The records in a saved state, for those who show an account and do not run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from stockstream.analytics.backtest.engine.packing import unpack, unpack_all
from stockstream.analytics.backtest.model import ClosedPosition, Note, OpenPosition, Order, Position, Transaction


@dataclass(frozen=True)
class Records:
    """What an account has after a session."""

    dates: Sequence[date]
    """All sessions so far."""
    equity: Sequence[float]
    """Per session."""
    cash: float
    positions: Sequence[OpenPosition]
    """At their last closes."""
    closed_positions: Sequence[ClosedPosition]
    transactions: Sequence[Transaction]
    orders: Sequence[Order]
    """Open ones, which the next session may fill."""
    notes: Sequence[Note]
    shares: Mapping[str, float]
    """Shares of the day per adjusted share, by symbol; empty if prices are those of the day."""


def records_of(state: Mapping[str, Any]) -> Records:
    """Return the records in a state of `state_of`."""
    portfolio, broker = state["portfolio"], state["broker"]
    orders = {order.id: order for order in unpack_all(Order, broker["orders"])}
    positions = unpack_all(Position, portfolio["positions"])
    return Records(
        dates=[date.fromisoformat(day) for day in state["dates"]],
        equity=state["curve"]["equity"],
        cash=portfolio["cash"],
        positions=[position.at_price(portfolio["prices"][position.symbol]) for position in positions],
        closed_positions=unpack_all(ClosedPosition, portfolio["closed_positions"]),
        transactions=unpack_all(Transaction, portfolio["transactions"]),
        orders=[orders[id] for id in portfolio["orders"]],
        notes=[unpack(Note, row[0]) for row in broker["notes"]],
        shares=broker["shares"],
    )
