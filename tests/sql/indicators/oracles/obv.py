"""`obv` is TA-Lib's OBV."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    return {"obv": talib.OBV(bars["close"], bars["volume"])}
