"""`vwap` is TA-Lib's VWAP, which is 0 before the first volume; the sums are plain calculations."""

from __future__ import annotations

import numpy as np
import talib

from tests.sql.indicators._bars import Bars, Columns

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    price, volume = (bars["high"] + bars["low"] + bars["close"]) / 3, np.cumsum(bars["volume"])
    average = talib.VWAP(bars["high"], bars["low"], bars["close"], bars["volume"])
    return {
        "vwap": np.where(volume > 0, average, np.nan),
        "vwap_value": np.cumsum(price.astype(np.longdouble) * bars["volume"]).astype(np.float64),
        "vwap_volume": volume,
    }
