"""`vortex_plus` and `vortex_minus` are TA-Lib's VORTEX."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    plus, minus = talib.VORTEX(bars["high"], bars["low"], bars["close"], n)
    return {"vortex_plus": plus, "vortex_minus": minus}
