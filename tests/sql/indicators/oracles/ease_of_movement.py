"""`ease_of_movement` is a plain calculation in longdouble; TA-Lib has no such indicator."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars, Columns, rolling

CASES = [(5,)]


def oracle(bars: Bars, n: int) -> Columns:
    high, low, volume = (bars[name].astype(np.longdouble) for name in ("high", "low", "volume"))
    move = np.diff((high + low) / 2, prepend=np.longdouble(0))
    ease = np.where(volume > 0, 1e8 * move * (high - low) / np.where(volume > 0, volume, 1), 0)
    return {"ease_of_movement": np.concatenate([[np.nan], rolling(np.mean, ease[1:], n).astype(np.float64)])}
