"""`stoch_k` and `stoch_d` are TA-Lib's STOCH."""

from __future__ import annotations

import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 1, 4)]


def oracle(bars: Bars, n: int, smooth: int, signal: int) -> Columns:
    prices = bars["high"], bars["low"], bars["close"]
    k, d = talib.STOCH(*prices, fastk_period=n, slowk_period=smooth, slowd_period=signal)
    return {"stoch_k": k, "stoch_d": d}
