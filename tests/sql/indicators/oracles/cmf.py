"""`cmf` is TA-Lib's CMF."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(7,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"cmf": talib.CMF(bars["high"], bars["low"], bars["close"], bars["volume"], n)}
