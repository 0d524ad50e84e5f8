"""`wma` is TA-Lib's WMA."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"wma": talib.WMA(bars["close"], n)}
