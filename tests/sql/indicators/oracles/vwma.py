"""`vwma` is TA-Lib's VWMA, but NULL where none of its bars has a volume: TA-Lib then divides rounding errors."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    values = talib.VWMA(bars["close"], bars["volume"], n)
    traded = np.lib.stride_tricks.sliding_window_view(bars["volume"], n).any(axis=1)
    return {"vwma": np.where(np.concatenate([np.full(n - 1, True), traded]), values, np.nan)}
