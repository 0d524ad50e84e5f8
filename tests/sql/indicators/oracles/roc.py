"""`roc` is TA-Lib's ROC."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(1,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"roc": talib.ROC(bars["close"], n)}
