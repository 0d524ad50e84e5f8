"""`hma` is TA-Lib's HMA."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(9,), (2,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"hma": talib.HMA(bars["close"], n)}
