"""`coppock` is TA-Lib's COPPOCK."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 3, 8)]


def oracle(bars: Bars, n: int, fast: int, slow: int) -> Columns:
    return {"coppock": talib.COPPOCK(bars["close"], n, fast, slow)}
