"""`kdj_k`, `kdj_d` and `kdj_j` are TA-Lib's KDJ with its RMA."""

from __future__ import annotations

import talib
from talib import MA_Type

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 4, 2)]


def oracle(bars: Bars, n: int, smooth: int, signal: int) -> Columns:
    k, d, j = talib.KDJ(bars["high"], bars["low"], bars["close"], n, smooth, MA_Type.RMA, signal, MA_Type.RMA)
    return {"kdj_k": k, "kdj_d": d, "kdj_j": j}
