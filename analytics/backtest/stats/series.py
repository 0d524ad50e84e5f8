"""What a series of equity or of returns says by itself: formulas of numpy arrays.

`equity` has one value a session, `returns` one less: simple returns as fractions, 0.01 is 1 %. A year is 252 sessions.
The conventions are those of empyrical-reloaded; where quantstats or backtesting.py differ, it is said. What is
undefined (too few sessions, a division by zero, an account at or below zero) is None, never NaN or infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
P = ParamSpec("P")

YEAR = 252
"""Sessions."""
NOISE = 1e-12
"""What divides a ratio and is smaller is zero: the rounding of steady returns, which have no volatility."""


def defined(formula: Callable[P, float | None]) -> Callable[P, float | None]:
    """Make a formula give None where it divides by zero, overflows or gives NaN."""

    @wraps(formula)
    def metric(*args: P.args, **kwargs: P.kwargs) -> float | None:
        try:
            with np.errstate(all="ignore"):
                value = formula(*args, **kwargs)
        except (ZeroDivisionError, OverflowError):
            return None
        return float(value) if value is not None and math.isfinite(value) else None

    return metric


def returns(equity: Array) -> Array:
    """Give the simple return of each session but the first: NaN after one that ended at or below zero."""
    before = equity[:-1]
    with np.errstate(all="ignore"):
        return np.where(before > 0, equity[1:] / before - 1, np.nan)


def drawdown(equity: Array) -> Array:
    """Give how far below its highest so far each session ended: a fraction, zero or negative, same length."""
    peak = np.maximum.accumulate(equity)
    with np.errstate(all="ignore"):
        return np.where(peak > 0, equity / peak - 1, np.nan)


@defined
def total_return(equity: Array) -> float:
    """Last equity over the first, less one: a fraction."""
    return equity[-1] / equity[0] - 1 if equity[0] > 0 else math.nan


@defined
def annual_return(returns: Array) -> float:
    """Geometric mean return of 252 sessions: a fraction.

    empyrical.annual_return, quantstats.cagr, backtesting.py's "Return (Ann.)"; `cagr` counts days instead.
    """
    return float(np.prod(1 + returns) ** (YEAR / len(returns)) - 1)


@defined
def cagr(equity: Array, days: int) -> float:
    """Geometric mean return of 365.25 calendar days: a fraction. backtesting.py's "CAGR".

    Args:
        equity: one value a session.
        days: from its first session to its last.
    """
    return float(np.float64(equity[-1] / equity[0]) ** (365.25 / days) - 1)


@defined
def volatility(returns: Array) -> float | None:
    """Standard deviation (n - 1) of the returns times √252: a fraction.

    empyrical.annual_volatility, quantstats.volatility. backtesting.py compounds it, which gives more.
    """
    return returns.std(ddof=1) * math.sqrt(YEAR) if len(returns) > 1 else None


@defined
def sharpe(returns: Array, risk_free: float = 0.0) -> float | None:
    """Mean of the returns beyond `risk_free` over their standard deviation (n - 1), times √252.

    empyrical.sharpe_ratio. quantstats takes the risk-free return of a year and compounds it down; backtesting.py
    divides the geometric annual return by its compounded volatility, which gives less.

    Args:
        returns: one a session.
        risk_free: of one session.
    """
    if len(returns) < 2:
        return None
    beyond = returns - risk_free
    return _over(beyond.mean(), beyond.std(ddof=1)) * math.sqrt(YEAR)


@defined
def sortino(returns: Array, risk_free: float = 0.0) -> float | None:
    """Mean of the returns beyond `risk_free` over their downside deviation, times √252.

    The downside deviation is √mean(min(r - risk_free, 0)²) over all sessions, those without a loss too.
    empyrical.sortino_ratio, quantstats.sortino. backtesting.py has the geometric annual return in the numerator.
    """
    if len(returns) < 2:
        return None
    beyond = returns - risk_free
    loss = np.minimum(beyond, 0)
    return _over(beyond.mean(), math.sqrt(loss @ loss / len(loss))) * math.sqrt(YEAR)


@defined
def max_drawdown(equity: Array) -> float:
    """Deepest drawdown: a fraction, zero or negative. The same in empyrical, quantstats and backtesting.py."""
    return float(drawdown(equity).min())


@defined
def calmar(returns: Array, max_drawdown: float | None) -> float | None:
    """`annual_return` over the deepest drawdown, as a positive number. The same in all three libraries."""
    annual = annual_return(returns)
    return None if annual is None or max_drawdown is None else _over(annual, -max_drawdown)


@defined
def beta(returns: Array, benchmark: Array, risk_free: float = 0.0) -> float | None:
    """Covariance with the benchmark's returns over their variance. empyrical.beta.

    A constant `risk_free` does not change it. backtesting.py has logarithmic returns and those of the symbol traded.
    """
    if len(returns) < 2:
        return None
    market = benchmark - benchmark.mean()
    return _over(float(market @ returns), float(market @ market), NOISE**2)


@defined
def alpha(returns: Array, benchmark: Array, risk_free: float = 0.0) -> float | None:
    """Mean return beyond what beta explains, compounded over 252 sessions: a fraction. empyrical.alpha.

    backtesting.py's is of the whole run, not of a year.
    """
    slope = beta(returns, benchmark)
    if slope is None:
        return None
    return float((1 + (returns - risk_free - slope * (benchmark - risk_free)).mean()) ** YEAR - 1)


@defined
def correlation(returns: Array, benchmark: Array) -> float | None:
    """Pearson's correlation with the benchmark's returns, -1 to 1."""
    if len(returns) < 2:
        return None
    own, market = returns - returns.mean(), benchmark - benchmark.mean()
    return _over(float(own @ market), math.sqrt((own @ own) * (market @ market)), NOISE**2)


def _over(numerator: float, denominator: float, noise: float = NOISE) -> float:
    return numerator / denominator if abs(denominator) > noise else math.nan
