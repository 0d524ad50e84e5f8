"""Figures of closed trades, of all together, and by symbol or side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from stockstream.analytics.backtest.model import ClosedPosition, OpenPosition
from stockstream.analytics.backtest.stats.series import Array, none_if_undefined


@none_if_undefined
def average(values: Array) -> float:
    """Arithmetic mean."""
    return values.sum() / len(values) if len(values) else math.nan


@none_if_undefined
def win_rate(pnl: Array) -> float:
    """Fraction of the trades with a profit after costs; a profit of zero is not a win. The same as in backtesting.py.

    quantstats' win_rate counts days, not trades.
    """
    return np.count_nonzero(pnl > 0) / len(pnl)


@none_if_undefined
def profit_factor(pnl: Array) -> float | None:
    """Sum of the profits ÷ sum of the losses of the trades, after costs.

    backtesting.py sums returns in per cent instead of money, so that large and small trades have the same weight;
    quantstats uses daily returns.
    """
    losses = -pnl[pnl < 0].sum()
    return pnl[pnl > 0].sum() / losses if losses else None


@none_if_undefined
def win_loss_ratio(pnl: Array) -> float | None:
    """Average win ÷ |average loss|."""
    win, loss = average(pnl[pnl > 0]), average(pnl[pnl < 0])
    return None if win is None or loss is None else win / -loss


@dataclass(frozen=True, slots=True)
class Part:
    """The trades of one symbol, or of one side."""

    name: str
    trades: int
    """Closed trades."""
    win_rate: float | None
    profit_factor: float | None
    pnl: float
    """Profit of the closed trades in money, after costs."""
    open_pnl: float
    """Profit so far of the positions that are still open."""
    average: float | None
    """Mean profit per closed trade in money."""

    @property
    def total(self) -> float:
        """Profit in money, of closed trades and open positions."""
        return self.pnl + self.open_pnl


def by_symbol(closed: Sequence[ClosedPosition], still_open: Sequence[OpenPosition]) -> list[Part]:
    """Return the result per symbol, the highest profit first."""
    parts = _parts(closed, still_open, lambda item: item.symbol)
    return sorted(parts, key=lambda part: (-part.total, part.name))


def by_side(closed: Sequence[ClosedPosition], still_open: Sequence[OpenPosition]) -> list[Part]:
    """Return the result of the long and of the short trades, as far as there are any; long comes first."""
    parts = _parts(closed, still_open, lambda item: "long" if item.quantity > 0 else "short")
    return sorted(parts, key=lambda part: part.name)


def _parts(
    closed: Sequence[ClosedPosition],
    still_open: Sequence[OpenPosition],
    name_of: Callable[[ClosedPosition | OpenPosition], str],
) -> list[Part]:
    profits: dict[str, list[float]] = {}
    unrealized: dict[str, float] = {}
    for trade in closed:
        profits.setdefault(name_of(trade), []).append(trade.pnl)
    for position in still_open:
        unrealized[name_of(position)] = unrealized.get(name_of(position), 0.0) + position.pnl
    return [_part(name, profits.get(name, ()), unrealized.get(name, 0.0)) for name in {**profits, **unrealized}]


def _part(name: str, profits: Iterable[float], open_pnl: float) -> Part:
    pnl = np.array(list(profits), dtype=np.float64)
    return Part(name, len(pnl), win_rate(pnl), profit_factor(pnl), float(pnl.sum()), open_pnl, average(pnl))
