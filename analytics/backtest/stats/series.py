"""Metrics of a series of equity or returns: formulas on numpy arrays.

`equity` has one value per session, `returns` one fewer: simple returns as fractions (0.01 is 1 %). A year has 252
sessions. The conventions are those of empyrical-reloaded; the docstrings say where quantstats or backtesting.py differ.
An undefined metric (too few sessions, a division by zero, an account at or below zero) is None, never NaN or infinite.
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
"""Sessions per year."""
NOISE = 1e-12
"""A smaller divisor counts as zero: with rounding errors, constant returns seem to have a small volatility.

It is a share of 1, because a return is a quotient near 1, less 1: its rounding errors do not depend on its own size.
"""


def none_if_undefined(formula: Callable[P, float | None]) -> Callable[P, float | None]:
    """Decorate a formula to return None if it divides by zero, overflows or results in NaN."""

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
    """Return the simple return of each session but the first; NaN after a session that ended at or below zero."""
    previous = equity[:-1]
    with np.errstate(all="ignore"):
        return np.where(previous > 0, equity[1:] / previous - 1, np.nan)


def drawdown(equity: Array) -> Array:
    """Return equity ÷ highest equity so far - 1 per session: fractions ≤ 0, same length as `equity`."""
    peak = np.maximum.accumulate(equity)
    with np.errstate(all="ignore"):
        return np.where(peak > 0, equity / peak - 1, np.nan)


@none_if_undefined
def total_return(equity: Array) -> float:
    """Last equity ÷ first - 1: a fraction."""
    return equity[-1] / equity[0] - 1 if equity[0] > 0 else math.nan


@none_if_undefined
def annual_return(returns: Array) -> float:
    """Geometric mean return per 252 sessions: a fraction.

    The same as empyrical.annual_return, quantstats.cagr and backtesting.py's "Return (Ann.)". `cagr` below counts
    calendar days instead.
    """
    return float(np.prod(1 + returns) ** (YEAR / len(returns)) - 1)


@none_if_undefined
def cagr(equity: Array, days: int) -> float:
    """Geometric mean return per 365.25 calendar days: a fraction. The same as backtesting.py's "CAGR".

    Args:
        equity: one value per session.
        days: calendar days from the first session to the last.
    """
    return float(np.float64(equity[-1] / equity[0]) ** (365.25 / days) - 1)


@none_if_undefined
def volatility(returns: Array) -> float | None:
    """Standard deviation (n - 1) of the returns × √252: a fraction.

    The same as empyrical.annual_volatility and quantstats.volatility. backtesting.py compounds it, and so its value is
    higher.
    """
    return returns.std(ddof=1) * math.sqrt(YEAR) if len(returns) > 1 else None


@none_if_undefined
def sharpe(returns: Array, risk_free: float = 0.0) -> float | None:
    """Mean excess return ÷ its standard deviation (n - 1) × √252.

    The same as empyrical.sharpe_ratio. quantstats converts the annual risk-free rate by compounding; backtesting.py
    divides the geometric annual return by its compounded volatility, and so its value is lower.

    Args:
        returns: one per session.
        risk_free: risk-free return per session.
    """
    if len(returns) < 2:
        return None
    excess = returns - risk_free
    return _ratio(excess.mean(), excess.std(ddof=1)) * math.sqrt(YEAR)


@none_if_undefined
def sortino(returns: Array, risk_free: float = 0.0) -> float | None:
    """Mean excess return ÷ downside deviation × √252.

    The downside deviation is √mean(min(r - risk_free, 0)²) over all sessions, including those without a loss.
    The same as empyrical.sortino_ratio and quantstats.sortino. backtesting.py has the geometric annual return in the
    numerator.
    """
    if len(returns) < 2:
        return None
    excess = returns - risk_free
    loss = np.minimum(excess, 0)
    return _ratio(excess.mean(), math.sqrt(loss @ loss / len(loss))) * math.sqrt(YEAR)


@none_if_undefined
def max_drawdown(equity: Array) -> float:
    """Deepest drawdown: a fraction ≤ 0. The same in empyrical, quantstats and backtesting.py."""
    return float(drawdown(equity).min())


@none_if_undefined
def calmar(returns: Array, max_drawdown: float | None) -> float | None:
    """`annual_return` ÷ |`max_drawdown`|. The same in all three libraries."""
    annual = annual_return(returns)
    return None if annual is None or max_drawdown is None else _ratio(annual, -max_drawdown)


@none_if_undefined
def beta(returns: Array, benchmark: Array, risk_free: float = 0.0) -> float | None:
    """Covariance with the benchmark's returns ÷ their variance. The same as empyrical.beta.

    A constant `risk_free` does not change it. backtesting.py uses logarithmic returns, and the traded symbol as
    the benchmark.
    """
    if len(returns) < 2:
        return None
    market = benchmark - benchmark.mean()
    return _ratio(float(market @ returns), float(market @ market), NOISE**2)


@none_if_undefined
def alpha(returns: Array, benchmark: Array, risk_free: float = 0.0) -> float | None:
    """Mean return not explained by beta, compounded over 252 sessions: a fraction. The same as empyrical.alpha.

    backtesting.py's alpha covers the whole run, not a year.
    """
    slope = beta(returns, benchmark)
    if slope is None:
        return None
    return float((1 + (returns - risk_free - slope * (benchmark - risk_free)).mean()) ** YEAR - 1)


@none_if_undefined
def correlation(returns: Array, benchmark: Array) -> float | None:
    """Pearson correlation with the benchmark's returns, -1 to 1."""
    if len(returns) < 2:
        return None
    account, market = returns - returns.mean(), benchmark - benchmark.mean()
    return _ratio(float(account @ market), math.sqrt((account @ account) * (market @ market)), NOISE**2)


@none_if_undefined
def tracking_error(returns: Array, benchmark: Array) -> float | None:
    """Standard deviation (n - 1) of the returns less the benchmark's, × √252: a fraction.

    The same as empyrical.annual_volatility of the difference.
    """
    return volatility(returns - benchmark)


@none_if_undefined
def information_ratio(returns: Array, benchmark: Array) -> float | None:
    """Mean of the returns less the benchmark's ÷ the standard deviation (n - 1) of the difference, per session.

    The same as quantstats.information_ratio and empyrical.excess_sharpe, which do not annualise it either: × √252 is
    the annual ratio.
    """
    if len(returns) < 2:
        return None
    active = returns - benchmark
    return _ratio(active.mean(), active.std(ddof=1))


def _ratio(numerator: float, denominator: float, noise: float = NOISE) -> float:
    return numerator / denominator if abs(denominator) > noise else math.nan
