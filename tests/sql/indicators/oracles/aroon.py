"""`aroon_up` and `aroon_down` are TA-Lib's AROON."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(25,)]


def oracle(bars: Bars, n: int) -> Columns:
    down, up = talib.AROON(bars["high"], bars["low"], n)
    return {"aroon_up": up, "aroon_down": down}
