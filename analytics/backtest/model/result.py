"""What a backtest found, and the files that it is written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stockstream.analytics.backtest.model.portfolio import ClosedPosition, OpenPosition, Transaction


@dataclass(frozen=True)
class Curve:
    """The account at the close of each session; arrays of the same length, money."""

    dates: list[date]
    equity: NDArray[np.float64]
    cash: NDArray[np.float64]
    long: NDArray[np.float64]
    """Market value of long positions."""
    short: NDArray[np.float64]
    """Market value of short positions, negative."""
    benchmark: NDArray[np.float64] | None = None
    """The benchmark's close, dividends reinvested; NaN before its first."""


@dataclass(frozen=True)
class Costs:
    """Money paid in all."""

    commission: float
    slippage: float
    borrow: float
    """For shares sold short."""
    interest: float
    """On negative cash."""


@dataclass(frozen=True)
class Note:
    """Something that a person should know: a rejected order, a delisting, a margin call."""

    date: date
    symbol: str | None
    text: str


@dataclass(frozen=True)
class Result:
    """What a backtest found; `metrics` are those of `analytics.backtest.metrics.summary`."""

    setup: Mapping[str, Any]
    """The run's settings, JSON-able: strategy, parameters, symbols, days, account, costs."""
    provenance: Mapping[str, Any]
    """What it was made of: versions of the indicators' SQL, the lake's generation, versions of packages."""
    curve: Curve
    closed_positions: list[ClosedPosition]
    open_positions: list[OpenPosition]
    transactions: list[Transaction]
    costs: Costs
    notes: list[Note]
    metrics: Mapping[str, float | None]
    error: str | None = None
    """Why it ended early."""
    prices: Mapping[str, Mapping[date, float]] = field(default_factory=dict)
    """Closes by day, in the shares of the last day, of the symbols that won or lost the most: for charts."""
