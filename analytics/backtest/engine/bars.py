"""The bars of one session, as the execution of orders reads them."""

from __future__ import annotations

from bisect import bisect_left
from math import isnan

from stockstream.analytics.backtest.engine.matching import Prices
from stockstream.analytics.backtest.feed import Block


class Bars:
    """Finds the bar of a symbol in a session."""

    def __init__(self, block: Block, first: int, last: int) -> None:
        self._symbols, self._close, self._shares = block.symbols, block.close, block.shares
        # Items of a memoryview are plain floats, and faster to read than those of an array.
        self._open, self._high, self._low, self._volume = (
            block.prices[name].data for name in ("open", "high", "low", "volume")
        )
        self._first, self._last = first, last

    def of(self, symbol: str) -> Prices | None:
        """Return the bar of a symbol; None if it did not trade."""
        row = bisect_left(self._symbols, symbol, self._first, self._last)
        if row == self._last or self._symbols[row] != symbol:
            return None
        volume = self._volume[row]
        return Prices(
            self._open[row],
            self._high[row],
            self._low[row],
            self._close[row],
            None if isnan(volume) else volume,
            1.0 if self._shares is None else self._shares[row],
        )
