"""Which bars a strategy is asked about: all, or those whose conditions ask for an order."""

from __future__ import annotations

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

    def rows(self, block: Block, first: int, last: int) -> Iterable[int]:
        """Return the rows of a session for which to ask."""
        if self._conditions is None or last - first < FEW:
            return range(first, last)
        if block is not self._block:
            self._block, self._flags = block, [block.columns.flags(name) for name in self._conditions]
        entry, exit = (flags[first:last] for flags in self._flags)
        is_held = np.fromiter(
            map(self._portfolio.positions.__contains__, block.symbols[first:last]), bool, last - first
        )
        selected = np.flatnonzero(np.where(is_held, exit, entry)) + first
        rows: list[int] = selected.tolist()
        return rows
