"""`ad` is TA-Lib's AD."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    return {"ad": talib.AD(bars["high"], bars["low"], bars["close"], bars["volume"])}
