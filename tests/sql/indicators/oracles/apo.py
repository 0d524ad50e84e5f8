"""`apo` is TA-Lib's APO with exponential averages."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 10)]


def oracle(bars: Bars, fast: int, slow: int) -> Columns:
    return {"apo": talib.APO(bars["close"], fast, slow, talib.MA_Type.EMA)}
