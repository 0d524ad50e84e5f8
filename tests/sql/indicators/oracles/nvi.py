"""`nvi` is TA-Lib's NVI."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    return {"nvi": talib.NVI(bars["close"], bars["volume"])}
