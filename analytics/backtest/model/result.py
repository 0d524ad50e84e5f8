"""The result of a backtest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from stockstream.analytics.backtest.model.orders import Order
from stockstream.analytics.backtest.model.portfolio import ClosedPosition, OpenPosition, Transaction

if TYPE_CHECKING:  # the model is imported by every command, numpy only by runs
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Curve:
    """The account at the close of each session: money, one value per session."""

    dates: list[date]
    equity: NDArray[np.float64]
    cash: NDArray[np.float64]
    long: NDArray[np.float64]
    """Market value of long positions."""
    short: NDArray[np.float64]
    """Market value of short positions, negative."""
    benchmark: NDArray[np.float64] | None = None
    """The benchmark's close, dividends reinvested; NaN before its first bar."""


class LedgerEntry(NamedTuple):
    """A change of the cash. The amounts add up to the cash."""

    date: date
    symbol: str | None
    """None for what concerns the whole account: initial capital, borrow fee, interest."""
    kind: str
    """initial capital, buy, sell, dividend, split (a fraction of a share), delisted, borrow fee or interest."""
    quantity: float
    """Shares: those bought (negative: sold), or those on which a dividend is paid."""
    price: float
    """Money per share."""
    commission: float
    """Money, contained in `amount`."""
    amount: float
    """Change of the cash, negative if paid."""
    cash: float
    """Cash after the change."""


@dataclass(frozen=True)
class Costs:
    """Total costs in money."""

    commission: float
    slippage: float
    borrow: float
    """Borrow fees on short positions."""
    interest: float
    """Interest on negative cash."""


@dataclass(frozen=True)
class Note:
    """An event to report to the user: a rejected order, a delisting, a margin call."""

    date: date
    symbol: str | None
    text: str


@dataclass(frozen=True)
class Result:
    """The result of a backtest; `stats.summary` documents the `metrics`."""

    setup: Mapping[str, Any]
    """The run's settings as JSON values: strategy, parameters, symbols, dates, account, costs."""
    provenance: Mapping[str, Any]
    """The inputs: versions of the indicators' SQL, the lake's generation, versions of packages."""
    curve: Curve
    closed_positions: list[ClosedPosition]
    open_positions: list[OpenPosition]
    transactions: list[Transaction]
    costs: Costs
    notes: list[Note]
    metrics: Mapping[str, float | None]
    error: str | None = None
    """Why the run ended early; None if it did not."""
    prices: Mapping[str, Mapping[date, float]] = field(default_factory=dict)
    """Split-adjusted closes per day of the symbols with the largest profits and losses, for charts."""
    orders: list[Order] = field(default_factory=list)
    """All orders in the order of their ids: filled, cancelled, expired, rejected and still open."""
    ledger: list[LedgerEntry] = field(default_factory=list)
    """Every change of the cash, in order: fills, dividends, delistings, borrow fees, …"""
