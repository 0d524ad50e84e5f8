"""`kvo` is Skender.Stock.Indicators' loop over bars; test_golden.py compares its result file."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 21, 7)]


def oracle(bars: Bars, fast: int, slow: int, signal: int) -> Columns:
    high, low, close = (bars[name].astype(np.float64) for name in ("high", "low", "close"))
    price, dm = high + low + close, high - low
    impulse = np.full(len(price), np.nan)
    cm, before = 0.0, 0
    for k in range(1, len(price)):
        trend = 1 if price[k] > price[k - 1] else -1
        cm = (cm if trend == before else dm[k - 1]) + dm[k]
        before = trend
        if k > 1:
            impulse[k] = 0 if cm == 0 else 100 * trend * bars["volume"][k] * abs(2 * (dm[k] / cm - 1))
    line = talib.EMA(impulse, fast) - talib.EMA(impulse, slow)
    average = talib.EMA(line, signal)
    return {"kvo": np.where(np.isnan(average), np.nan, line), "kvo_signal": average}
