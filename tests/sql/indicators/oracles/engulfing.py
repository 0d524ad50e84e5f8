"""`engulfing` is TA-Lib's CDLENGULFING."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import PRICES, Bars, Columns

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    values = talib.CDLENGULFING(*(bars[name] for name in PRICES)).astype(np.float64)
    values[:2] = np.nan
    return {"engulfing": values}
