"""`ema` is TA-Lib's EMA."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(200,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"ema": talib.EMA(bars["close"], n)}
