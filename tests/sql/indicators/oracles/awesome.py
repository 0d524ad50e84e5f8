"""`awesome` is TA-Lib's AO."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(3, 10)]


def oracle(bars: Bars, fast: int, slow: int) -> Columns:
    return {"awesome": talib.AO(bars["high"], bars["low"], fast, slow)}
