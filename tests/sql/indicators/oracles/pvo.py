"""`pvo` is TA-Lib's PVO with exponential averages; the signal is TA-Lib's EMA of it."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 35, 7)]


def oracle(bars: Bars, fast: int, slow: int, signal: int) -> Columns:
    line = talib.PVO(bars["volume"], fast, slow, 1)
    average = talib.EMA(line, signal)
    visible = np.where(np.isnan(average), np.nan, line)
    return {"pvo": visible, "pvo_signal": average, "pvo_hist": visible - average}
