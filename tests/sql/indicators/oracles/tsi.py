"""`tsi` is TA-Lib's TSI, and its signal TA-Lib's EMA of it."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(10, 5, 3)]


def oracle(bars: Bars, slow: int, fast: int, signal: int) -> Columns:
    line = talib.TSI(bars["close"], slow, fast)
    start = np.full(slow + fast - 1, np.nan)
    return {"tsi": line, "tsi_signal": np.concatenate([start, talib.EMA(line[slow + fast - 1 :], signal)])}
