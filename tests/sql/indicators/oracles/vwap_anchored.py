"""`vwap_anchored` is a plain loop over bars in longdouble."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, days

CASES: list[tuple[float, ...]] = []


def oracle(bars: Bars) -> Columns:
    months = bars.get("date", days(len(bars["close"]))).astype("datetime64[M]")
    high, low, close, volume = (bars[name].astype(np.longdouble) for name in ("high", "low", "close", "volume"))
    result = np.full(len(close), np.nan)
    for k, month in enumerate(months):
        if k == 0 or month != months[k - 1]:
            money = total = np.longdouble(0)
        money, total = money + (high[k] + low[k] + close[k]) / 3 * volume[k], total + volume[k]
        result[k] = money / total if total else np.nan
    return {"vwap_anchored": result}
