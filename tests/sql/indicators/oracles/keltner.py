"""The channels are computed from TA-Lib's EMA and ATR; channels of the typical price are TA-Lib's KC.

KC uses the typical price and starts both averages at the same bar. Ours start at the same bar if n is atr_n + 1.
"""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 30, 1.5), (21, 20, 2, "(high + low + close) / 3")]


def oracle(bars: Bars, n: int, atr_n: int, multiplier: float, value: str = "close") -> Columns:
    high, low, close = bars["high"], bars["low"], bars["close"]
    if value != "close":
        upper, middle, lower = talib.KC(high, low, close, n, atr_n, multiplier)
        return {"keltner_upper": upper, "keltner_middle": middle, "keltner_lower": lower}
    distance = multiplier * talib.ATR(high, low, close, atr_n)
    middle = talib.EMA(close, n) + 0 * distance
    return {"keltner_upper": middle + distance, "keltner_middle": middle, "keltner_lower": middle - distance}
