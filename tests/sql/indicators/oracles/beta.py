"""`beta` is a plain calculation in longdouble; test_relative.py compares it with TA-Lib's BETA."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, benchmark_of, rolling
from tests.sql.indicators._relative import covariance, growths

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    growth, market = growths(bars["close"]), growths(benchmark_of(bars))
    spread = rolling(np.std, market, n)
    variance = np.where(spread > 1e-13 * rolling(np.mean, market, n), spread**2, np.nan)
    beta = covariance(growth, market, n) / variance
    return {"beta": np.concatenate([[np.nan], beta.astype(np.float64)])}
