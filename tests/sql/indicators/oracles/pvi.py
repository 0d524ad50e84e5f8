"""`pvi` is TA-Lib's PVI."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    return {"pvi": talib.PVI(bars["close"], bars["volume"])}
