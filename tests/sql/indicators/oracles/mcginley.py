"""`mcginley` is a plain loop."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns

CASES = [(5, 0.6)]


def oracle(bars: Bars, n: int, factor: float) -> Columns:
    close, line = bars["close"], np.full(len(bars["close"]), np.nan)
    line[n - 1] = close[:n].mean()
    for k in range(n, len(close)):
        before = line[k - 1]
        line[k] = before + (close[k] - before) / max(1, factor * n * (close[k] / before) ** 4)
    return {"mcginley": line}
