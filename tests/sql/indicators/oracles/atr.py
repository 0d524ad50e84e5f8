"""`atr` is TA-Lib's ATR."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"atr": talib.ATR(bars["high"], bars["low"], bars["close"], n)}
