"""The bands are TA-Lib's BBANDS; `bollinger_percent` and `bollinger_width` are plain calculations."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns, rolling

CASES = [(10, 1.5)]


def oracle(bars: Bars, n: int, deviations: float) -> Columns:
    upper, middle, lower = talib.BBANDS(bars["close"], n, deviations, deviations)
    # TA-Lib has no such columns. Its bands, from which they could be computed, are not exact in the last digits.
    mean, distance = rolling(np.mean, bars["close"], n), deviations * rolling(np.std, bars["close"], n)
    percent = (bars["close"] - mean + distance) / np.where(distance == 0, np.nan, 2 * distance)
    return {
        "bollinger_upper": upper,
        "bollinger_middle": middle,
        "bollinger_lower": lower,
        "bollinger_percent": percent.astype(np.float64),
        "bollinger_width": (2 * distance / mean).astype(np.float64),
    }
