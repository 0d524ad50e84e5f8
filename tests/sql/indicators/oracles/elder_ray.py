"""`elder_bull` and `elder_bear` are TA-Lib's ERI."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    bull, bear = talib.ERI(bars["high"], bars["low"], bars["close"], n)
    return {"elder_bull": bull, "elder_bear": bear}
