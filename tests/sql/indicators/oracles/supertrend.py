"""`supertrend` is the loop of Skender.Stock.Indicators over TA-Lib's ATR; test_golden.py compares its result file."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(20, 1.5)]


def oracle(bars: Bars, n: int, multiplier: float) -> Columns:
    close, middle = bars["close"], (bars["high"] + bars["low"]) / 2
    distance = multiplier * talib.ATR(bars["high"], bars["low"], close, n)
    line, direction = np.full(len(close), np.nan), np.full(len(close), np.nan)
    for k in range(n, len(close)):
        above, below = middle[k] + distance[k], middle[k] - distance[k]
        if k == n:
            rises, upper, lower = close[k] >= middle[k], above, below
        if above < upper or close[k - 1] > upper:
            upper = above
        if below > lower or close[k - 1] < lower:
            lower = below
        rises = close[k] > (lower if rises else upper)
        line[k], direction[k] = (lower, 1) if rises else (upper, -1)
    return {"supertrend": line, "supertrend_direction": direction}
