"""Helper: the high, low and close of the bar before, from which the oracles of pivot points compute."""

from __future__ import annotations

import numpy as np

from tests.sql.indicators._bars import Bars


def before(bars: Bars) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the high, low and close of the bar before each bar, in longdouble; NaN for the first bar."""
    high, low, close = (
        np.concatenate([[np.nan], bars[name][:-1]]).astype(np.longdouble) for name in ("high", "low", "close")
    )
    return high, low, close
