"""`rsi` is TA-Lib's RSI."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(2,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"rsi": talib.RSI(bars["close"], n)}
