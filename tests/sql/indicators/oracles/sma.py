"""`sma` is TA-Lib's SMA."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(50,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"sma": talib.SMA(bars["close"], n)}
