"""`linreg_slope` is TA-Lib's LINEARREG_SLOPE."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(50,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"linreg_slope": talib.LINEARREG_SLOPE(bars["close"], n)}
