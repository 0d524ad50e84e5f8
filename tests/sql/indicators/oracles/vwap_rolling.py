"""`vwap_rolling` is TA-Lib's VWMA of the typical price."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(50,)]


def oracle(bars: Bars, n: int) -> Columns:
    price = (bars["high"] + bars["low"] + bars["close"]) / 3
    return {"vwap_rolling": talib.VWMA(price, bars["volume"], n)}
