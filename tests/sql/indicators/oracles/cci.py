"""`cci` is TA-Lib's CCI."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    return {"cci": talib.CCI(bars["high"], bars["low"], bars["close"], n)}
