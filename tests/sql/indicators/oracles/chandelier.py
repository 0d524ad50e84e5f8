"""The exits are computed from TA-Lib's MAX, MIN and ATR; test_golden.py compares Skender's result file."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 1.5)]


def oracle(bars: Bars, n: int, multiplier: float) -> Columns:
    high, low = bars["high"], bars["low"]
    distance = multiplier * talib.ATR(high, low, bars["close"], n)
    return {"chandelier_long": talib.MAX(high, n) - distance, "chandelier_short": talib.MIN(low, n) + distance}
