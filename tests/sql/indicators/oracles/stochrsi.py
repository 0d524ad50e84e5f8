"""A plain stochastic oscillator of TA-Lib's RSI; with smooth 1 it is TA-Lib's STOCHRSI."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns, rolling

CASES = [(14, 5, 1, 3), (5, 8, 2, 2)]


def oracle(bars: Bars, n: int, stoch_n: int, smooth: int, signal: int) -> Columns:
    rsi = talib.RSI(bars["close"], n)
    if smooth == 1:
        k, d = talib.STOCHRSI(bars["close"], n, stoch_n, signal, 0)
        return {"stochrsi_k": k, "stochrsi_d": d}
    highest, lowest = rolling(np.max, rsi, stoch_n), rolling(np.min, rsi, stoch_n)
    is_flat = highest - lowest <= 1e-12 * highest
    fast = np.where(is_flat, 0, 100 * (rsi - lowest) / np.where(is_flat, 1, highest - lowest))
    slow = rolling(np.mean, fast, smooth)
    average = rolling(np.mean, slow, signal)
    return {"stochrsi_k": np.where(np.isnan(average), np.nan, slow), "stochrsi_d": average}
