"""Which bars a strategy is asked about: all, or those whose conditions ask for an order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stockstream.analytics.backtest.feed import Block
from stockstream.analytics.backtest.model import Portfolio, Strategy, conditions_of

FEW = 8
"""In a session of fewer rows, to ask for each of them is faster than to select some."""


class Selection:
    """Selects the rows of a session for which a strategy is asked.

    The `on_data` of a `SignalStrategy` returns None, and does nothing else, for a symbol without a position whose entry
    is not true, and for one with a position whose exit is not true. So these rows can be left out: the result is the
    same.
    """

    def __init__(self, strategy: Strategy, portfolio: Portfolio) -> None:
        self._conditions = conditions_of(strategy)
        self._portfolio = portfolio
        self._block: Block | None = None
        self._flags: list[NDArray[np.int8]] = []
        """Where the entry and the exit are true, per row of the block."""
        self._symbols: list[str] = []
        """The symbols of the last session."""
        self._held: set[str] = set()
        self._is_held = np.zeros(0, bool)
        """The symbols with a position, and which of `_symbols` have one, when `rows` was last called."""

    def rows(self, block: Block, first: int, last: int) -> Iterable[int]:
        """Return the rows of a session for which to ask."""
        if self._conditions is None or last - first < FEW:
            return range(first, last)
        if block is not self._block:
            self._block, self._flags = block, [block.columns.flags(name) for name in self._conditions]
        entry, exit = self._flags[0][first:last], self._flags[1][first:last]
        is_held = self._positions_of(block.symbols[first:last])
        rows: list[int] = (np.where(is_held, exit, entry).nonzero()[0] + first).tolist()
        return rows

    def _positions_of(self, symbols: list[str]) -> NDArray[np.bool_]:
        """Return which of these symbols have a position; few have changed if they are those of the last session."""
        positions = self._portfolio.positions
        if symbols != self._symbols:
            self._symbols = symbols
            self._is_held = np.fromiter(map(positions.__contains__, symbols), bool, len(symbols))
            self._held = set(positions)
        elif changes := positions.keys() ^ self._held:
            for symbol in changes:
                if (at := bisect_left(symbols, symbol)) < len(symbols) and symbols[at] == symbol:
                    self._is_held[at] = symbol in positions
            self._held ^= changes
        return self._is_held
