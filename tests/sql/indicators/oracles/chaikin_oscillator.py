"""`chaikin_oscillator` is TA-Lib's ADOSC."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 21)]


def oracle(bars: Bars, fast: int, slow: int) -> Columns:
    line = talib.ADOSC(bars["high"], bars["low"], bars["close"], bars["volume"], fast, slow)
    return {"chaikin_oscillator": line}
