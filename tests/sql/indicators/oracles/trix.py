"""`trix` is TA-Lib's TRIX."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(30,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"trix": talib.TRIX(bars["close"], n)}
