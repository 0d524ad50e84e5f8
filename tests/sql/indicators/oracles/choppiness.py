"""`choppiness` is a plain calculation from TA-Lib's true range; test_golden.py compares Skender's result file."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns, rolling

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    high, low = bars["high"], bars["low"]
    path = rolling(np.sum, talib.TRANGE(high, low, bars["close"]), n)
    span = rolling(np.max, high, n) - rolling(np.min, low, n)
    ratio = path / np.where(span > 0, span, np.nan)
    return {"choppiness": (100 * np.log(ratio) / np.log(n)).astype(np.float64)}
