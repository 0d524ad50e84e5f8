"""`stddev` is TA-Lib's STDDEV."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"stddev": talib.STDDEV(bars["close"], n)}
