"""`force_index` is TA-Lib's EFI."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(2,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"force_index": talib.EFI(bars["close"], bars["volume"], n)}
