"""Holdings over time: how many positions there are, and how much of the account the largest ones are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stockstream.analytics.backtest.stats.series import Array


@dataclass(frozen=True, slots=True)
class Concentration:
    """One value per session; shares are fractions of the equity, NaN where the equity is not positive."""

    positions: Array
    """Number of positions."""
    largest: Array
    """|largest position| ÷ equity."""
    five_largest: Array
    """Sum of the five largest |positions| ÷ equity."""
    effective: Array
    """(Σ|value|)² ÷ Σ value²: the number of equal positions with the same concentration; NaN without a position.

    The inverse of the Herfindahl–Hirschman index.
    """


def concentration(holdings: Mapping[str, Array], equity: Array) -> Concentration:
    """Return the concentration of the holdings.

    Args:
        holdings: value per symbol in money, one per session, negative if short.
        equity: money, one value per session.
    """
    values = np.abs(np.vstack(list(holdings.values()))) if holdings else np.zeros((1, len(equity)))
    values.sort(axis=0)
    total, squares = values.sum(axis=0), (values * values).sum(axis=0)
    money = np.where(equity > 0, equity, np.nan)
    with np.errstate(all="ignore"):
        return Concentration(
            positions=np.count_nonzero(values, axis=0).astype(np.float64),
            largest=values[-1] / money,
            five_largest=values[-5:].sum(axis=0) / money,
            effective=np.where(squares > 0, total * total / squares, np.nan),
        )


@dataclass(frozen=True, slots=True)
class Holding:
    """A symbol's part of the account over the run."""

    symbol: str
    mean: float
    """Mean |value| ÷ equity over all sessions."""
    largest: float
    """Highest |value| ÷ equity."""
    sessions: int
    """Number of sessions that ended with a position."""
    last: float
    """Value ÷ equity at the end, negative if short."""


def largest_holdings(holdings: Mapping[str, Array], equity: Array, count: int) -> list[Holding]:
    """Return the symbols with the largest mean share of the equity, at most `count`."""
    money = np.where(equity > 0, equity, np.nan)
    items = []
    for symbol, values in holdings.items():
        shares = np.nan_to_num(values / money)
        sizes = np.abs(shares)
        items.append(
            Holding(symbol, float(sizes.mean()), float(sizes.max()), int(np.count_nonzero(values)), float(shares[-1]))
        )
    return sorted(items, key=lambda item: (-item.mean, item.symbol))[:count]
