"""Figures over a moving window of sessions: how Sharpe ratio, volatility and beta change over time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stockstream.analytics.backtest.stats.series import NOISE, YEAR, Array

WINDOW = 126
"""Sessions per window: half a year, as in quantstats."""


def rolling_volatility(returns: Array, window: int = WINDOW) -> Array:
    """Return the annual volatility of the last `window` returns, a fraction per session; NaN before the first window.

    The same as quantstats.rolling_volatility and empyrical.roll_annual_volatility.
    """
    return _of_windows(returns, window, lambda parts: parts.std(axis=1, ddof=1) * math.sqrt(YEAR))


def rolling_sharpe(returns: Array, risk_free: float = 0.0, window: int = WINDOW) -> Array:
    """Return the annual Sharpe ratio of the last `window` returns per session; NaN before the first window.

    The same as quantstats.rolling_sharpe without a risk-free rate, and empyrical.roll_sharpe_ratio. NaN: the returns
    of the window do not vary.

    Args:
        returns: one per session.
        risk_free: risk-free return per session.
        window: number of sessions, two or more.
    """

    def sharpes(parts: Array) -> Array:
        spread = parts.std(axis=1, ddof=1)
        ratios: Array = (parts.mean(axis=1) - risk_free) / np.where(spread > NOISE, spread, np.nan) * math.sqrt(YEAR)
        return ratios

    return _of_windows(returns, window, sharpes)


def rolling_beta(returns: Array, benchmark: Array, window: int = WINDOW) -> Array:
    """Return beta, covariance ÷ variance of the benchmark, of the last `window` returns per session.

    The same as empyrical.roll_beta and quantstats.rolling_greeks. NaN before the first window, and where the benchmark
    lacks a return or does not vary.

    Args:
        returns: one per session.
        benchmark: the benchmark's returns; NaN where it has none.
        window: number of sessions, two or more.
    """
    betas = np.full(len(returns), np.nan)
    if len(returns) < window:
        return betas
    account, market = sliding_window_view(returns, window), sliding_window_view(benchmark, window)
    market = market - market.mean(axis=1, keepdims=True)
    variance = (market * market).sum(axis=1)
    with np.errstate(all="ignore"):
        betas[window - 1 :] = (market * account).sum(axis=1) / np.where(variance > NOISE**2, variance, np.nan)
    return betas


def _of_windows(returns: Array, window: int, formula: Callable[[Array], Array]) -> Array:
    values = np.full(len(returns), np.nan)
    if len(returns) >= window:
        with np.errstate(all="ignore"):
            values[window - 1 :] = formula(sliding_window_view(returns, window))
    return values
