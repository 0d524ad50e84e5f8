"""`vwma` is TA-Lib's VWMA."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"vwma": talib.VWMA(bars["close"], bars["volume"], n)}
