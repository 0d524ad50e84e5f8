"""`adx`, `plus_di` and `minus_di` are TA-Lib's ADX, PLUS_DI and MINUS_DI."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(30,)]


def oracle(bars: Bars, n: int) -> Columns:
    prices = bars["high"], bars["low"], bars["close"]
    return {"adx": talib.ADX(*prices, n), "plus_di": talib.PLUS_DI(*prices, n), "minus_di": talib.MINUS_DI(*prices, n)}
