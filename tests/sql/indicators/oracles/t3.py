"""`t3` is TA-Lib's T3."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(10, 0.4)]


def oracle(bars: Bars, n: int, factor: float) -> Columns:
    return {"t3": talib.T3(bars["close"], n, factor)}
