"""`psar` is TA-Lib's SAR."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(0.05, 0.5)]


def oracle(bars: Bars, acceleration: float, maximum: float) -> Columns:
    return {"psar": talib.SAR(bars["high"], bars["low"], acceleration, maximum)}
