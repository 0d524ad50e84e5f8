"""Helpers: the lengths and averages of candlesticks, with which the patterns' oracles decide bar by bar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.sql.indicators._bars import PRICES, Bars

LONG = np.longdouble


class Candles:
    """The bars of one symbol, in longdouble. Numbers of bars are those of the bars themselves."""

    def __init__(self, bars: Bars) -> None:
        self.open, self.high, self.low, self.close = (bars[name].astype(LONG) for name in PRICES)
        self.body = np.abs(self.close - self.open)
        self.span = self.high - self.low
        self.top = np.maximum(self.open, self.close)
        self.bottom = np.minimum(self.open, self.close)

    def is_rise(self, k: int) -> bool:
        return bool(self.close[k] >= self.open[k])

    def mean_body(self, k: int) -> np.longdouble:
        """Return the mean body of the 10 bars before a bar."""
        return LONG(self.body[k - 10 : k].mean())

    def mean_span(self, k: int, n: int = 10) -> np.longdouble:
        """Return the mean range of the n bars before a bar."""
        return LONG(self.span[k - n : k].mean())

    def above(self, x: np.longdouble, y: np.longdouble, k: int) -> bool:
        """Return whether x is above y by more than rounding errors of the prices of bar k."""
        return bool(x - y > 1e-13 * abs(self.high[k]))

    def column(self, first: int, pattern: Callable[[int], float]) -> np.ndarray:
        """Return the values of a pattern per bar; NaN before bar `first`."""
        rows = len(self.close)
        return np.array([np.nan if k < first else pattern(k) for k in range(rows)], dtype=np.float64)
