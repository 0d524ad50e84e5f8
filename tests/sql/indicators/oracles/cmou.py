"""`cmou` is TA-Lib's CMOU."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"cmou": talib.CMOU(bars["close"], n)}
