"""`mfi` is TA-Lib's MFI."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(30,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"mfi": talib.MFI(bars["high"], bars["low"], bars["close"], bars["volume"], n)}
