"""`williams_r` is TA-Lib's WILLR."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(2,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"williams_r": talib.WILLR(bars["high"], bars["low"], bars["close"], n)}
