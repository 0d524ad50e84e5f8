"""`alma` is a plain calculation in longdouble; test_golden.py compares Skender's result file."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, rolling

CASES = [(20, 0.5, 4), (5, 1, 0)]


def oracle(bars: Bars, n: int, center: float, sigma: float) -> Columns:
    weights = np.exp(-(((np.arange(n, dtype=np.longdouble) - center * (n - 1)) * sigma / n) ** 2) / 2)
    return {"alma": rolling(lambda last, axis: last @ weights / weights.sum(), bars["close"], n).astype(np.float64)}
