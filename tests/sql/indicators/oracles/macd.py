"""`macd`, `macd_signal` and `macd_hist` are TA-Lib's MACD."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 35, 7)]


def oracle(bars: Bars, fast: int, slow: int, signal: int) -> Columns:
    line, average, histogram = talib.MACD(bars["close"], fast, slow, signal)
    return {"macd": line, "macd_signal": average, "macd_hist": histogram}
