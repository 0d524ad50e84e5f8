"""`smma` is TA-Lib's RMA."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"smma": talib.RMA(bars["close"], n)}
