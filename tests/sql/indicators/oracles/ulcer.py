"""`ulcer` is a plain calculation in longdouble."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, rolling

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    close = bars["close"]
    drawdown = 100 * (close / rolling(np.max, close, n) - 1)
    return {"ulcer": np.sqrt(rolling(np.mean, drawdown**2, n)).astype(np.float64)}
