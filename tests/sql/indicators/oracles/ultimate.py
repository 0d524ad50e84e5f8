"""`ultimate` is TA-Lib's ULTOSC."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(1, 5, 40)]


def oracle(bars: Bars, short: int, medium: int, long: int) -> Columns:
    return {"ultimate": talib.ULTOSC(bars["high"], bars["low"], bars["close"], short, medium, long)}
