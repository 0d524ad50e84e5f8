"""Figures of the distribution of daily returns: tails, shape, and the pain of drawdowns.

The conventions are those of empyrical-reloaded where it has the figure, otherwise those of quantstats.
"""

from __future__ import annotations

import math

import numpy as np

from stockstream.analytics.backtest.stats.series import NOISE, Array, drawdown, none_if_undefined

TAIL = 0.05
"""The share of the sessions that counts as a tail."""
FLAT = 0.01
"""Width of the histogram, a fraction, if the returns differ by rounding errors only."""
BINS = 41
"""Number of bins of the histogram, an odd number, so that the middle one is around the median."""


@none_if_undefined
def best_day(returns: Array) -> float | None:
    """Highest return of one session: a fraction."""
    return returns.max() if len(returns) else None


@none_if_undefined
def worst_day(returns: Array) -> float | None:
    """Lowest return of one session: a fraction."""
    return returns.min() if len(returns) else None


@none_if_undefined
def value_at_risk(returns: Array) -> float | None:
    """The 5 % quantile of the returns: a fraction, negative for a loss; one session in twenty is worse.

    Historical, with linear interpolation: the same as empyrical.value_at_risk. quantstats assumes a normal
    distribution instead.
    """
    return np.quantile(returns, TAIL) if len(returns) else None


@none_if_undefined
def conditional_value_at_risk(returns: Array) -> float | None:
    """Mean of the worst 5 % of the returns, ⌊0.05 (n - 1)⌋ + 1 of n: a fraction.

    Also called expected shortfall. The same as empyrical.conditional_value_at_risk.
    """
    count = int((len(returns) - 1) * TAIL) + 1
    return np.sort(returns)[:count].mean() if len(returns) else None


@none_if_undefined
def skew(returns: Array) -> float | None:
    """Adjusted Fisher–Pearson skewness, n ÷ ((n - 1)(n - 2)) × Σ((r - mean) ÷ s)³; 0 if symmetric.

    The same as quantstats.skew and pandas. s is the standard deviation (n - 1).
    """
    n = len(returns)
    if n < 3 or (scores := _scores(returns)) is None:
        return None
    return n / ((n - 1) * (n - 2)) * float((scores**3).sum())


@none_if_undefined
def kurtosis(returns: Array) -> float | None:
    """Unbiased excess kurtosis; 0 for a normal distribution, more for fatter tails. As quantstats.kurtosis and pandas.

    n (n + 1) ÷ ((n - 1)(n - 2)(n - 3)) × Σ((r - mean) ÷ s)⁴ - 3 (n - 1)² ÷ ((n - 2)(n - 3))
    """
    n = len(returns)
    if n < 4 or (scores := _scores(returns)) is None:
        return None
    fourth = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3)) * float((scores**4).sum())
    return fourth - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))


@none_if_undefined
def tail_ratio(returns: Array) -> float | None:
    """|95 % quantile| ÷ |5 % quantile| of the returns; above 1 the gains are larger. As empyrical.tail_ratio."""
    if not len(returns):
        return None
    low, high = np.quantile(returns, [TAIL, 1 - TAIL])
    return abs(high) / abs(low) if abs(low) > NOISE else None


@none_if_undefined
def omega(returns: Array, risk_free: float = 0.0) -> float | None:
    """Sum of the excess returns above zero ÷ |sum of those below zero|. The same as empyrical.omega_ratio.

    Keating and Shadwick, "A Universal Performance Measure", 2002.

    Args:
        returns: one per session.
        risk_free: risk-free return per session, the threshold between gains and losses.
    """
    excess = returns - risk_free
    losses = -np.minimum(excess, 0).sum()
    return np.maximum(excess, 0).sum() / losses if len(returns) > 1 and losses > NOISE else None


@none_if_undefined
def ulcer_index(equity: Array) -> float | None:
    """√(Σ drawdown² ÷ (n - 1)) over n returns: a fraction ≥ 0. The same as quantstats.ulcer_index.

    Martin and McCann, The Investor's Guide to Fidelity Funds, 1989; they divide by n, and state per cent.
    """
    falls = drawdown(equity)[1:]
    return math.sqrt(falls @ falls / (len(falls) - 1)) if len(falls) > 1 else None


def histogram(returns: Array) -> tuple[Array, Array]:
    """Return the counts per bin and the edges of the bins, one more; both are empty without two finite returns."""
    finite = returns[np.isfinite(returns)]
    if len(finite) < 2:
        return np.zeros(0), np.zeros(0)
    low, high = float(finite.min()), float(finite.max())
    if high - low <= NOISE * BINS:
        low, high = (low + high - FLAT) / 2, (low + high + FLAT) / 2
    counts, edges = np.histogram(finite, bins=BINS, range=(low, high))
    return counts.astype(np.float64), edges


def _scores(returns: Array) -> Array | None:
    """Return the returns in standard deviations from their mean; None if they do not vary."""
    spread = returns.std(ddof=1)
    scores: Array = (returns - returns.mean()) / spread
    return scores if spread > NOISE else None
