"""`mass_index` is TA-Lib's MASSI."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 10)]


def oracle(bars: Bars, fast: int, n: int) -> Columns:
    return {"mass_index": talib.MASSI(bars["high"], bars["low"], fast, n)}
