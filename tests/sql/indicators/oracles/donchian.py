"""The channels are TA-Lib's DONCHIAN."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(55,)]


def oracle(bars: Bars, n: int) -> Columns:
    upper, middle, lower = talib.DONCHIAN(bars["high"], bars["low"], n)
    return {"donchian_upper": upper, "donchian_middle": middle, "donchian_lower": lower}
