"""`natr` is TA-Lib's NATR."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"natr": talib.NATR(bars["high"], bars["low"], bars["close"], n)}
