"""`correlation` is a plain calculation in longdouble; test_relative.py compares it with TA-Lib's CORREL."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, benchmark_of, rolling
from tests.sql.indicators._relative import covariance, growths

CASES = [(5,)]


def deviation(x: np.ndarray, n: int) -> np.ndarray:
    spread = rolling(np.std, x, n)
    return np.where(spread > 1e-13 * np.abs(rolling(np.mean, x, n)), spread, np.nan)


def oracle(bars: Bars, n: int) -> Columns:
    def coefficient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (covariance(x, y, n) / deviation(x, n) / deviation(y, n)).astype(np.float64)

    close, market = bars["close"], benchmark_of(bars)
    returns = np.concatenate([[np.nan], coefficient(growths(close), growths(market))])
    return {"correlation": coefficient(close, market), "correlation_returns": returns}
