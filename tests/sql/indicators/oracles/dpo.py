"""`dpo` is TA-Lib's DPO."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,), (2,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"dpo": talib.DPO(bars["close"], n)}
