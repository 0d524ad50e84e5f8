"""`kama` is TA-Lib's KAMA."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(30,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"kama": talib.KAMA(bars["close"], n)}
