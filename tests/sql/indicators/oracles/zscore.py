"""`zscore` is a plain calculation in longdouble; TA-Lib has no such indicator."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, rolling

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    mean, deviation = rolling(np.mean, bars["close"], n), rolling(np.std, bars["close"], n)
    spread = np.where(deviation > 1e-13 * np.abs(mean), deviation, np.nan)
    return {"zscore": ((bars["close"] - mean) / spread).astype(np.float64)}
