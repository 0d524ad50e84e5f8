"""`momentum` is TA-Lib's MOM."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(1,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"momentum": talib.MOM(bars["close"], n)}
