"""A checksum per symbol of what a run receives of a session, to notice that later data say something else of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stockstream.analytics.backtest.feed.blocks import Block


class Checksums:
    """The checksums of the sessions of a block; each is computed from all prices, actions and columns of its row."""

    def __init__(self, block: Block, names: Iterable[str]) -> None:
        """Prepare the rows; `names` are the columns of the strategy."""
        self._block = block
        ones = np.ones(len(block.symbols))  # what a run without any action does not have
        prices = {"dividend": 0 * ones, "split_ratio": ones, **block.prices}
        columns = [np.asarray(values, np.float64) for _, values in sorted(prices.items())]
        columns.append(ones if block.shares is None else np.array(block.shares, np.float64))
        texts = []
        for name in sorted(names):
            values = block.columns[name]
            try:
                columns.append(np.array(values, np.float64))  # None becomes NaN
            except (TypeError, ValueError):  # texts, days, arrays
                texts.append(values)
        self._numbers: NDArray[np.float64] = np.ascontiguousarray(np.column_stack(columns))
        self._numbers[np.isnan(self._numbers)] = np.nan  # one kind of NaN
        self._texts = texts

    def of(self, session: date) -> dict[str, str]:
        """Return eight digits per symbol that has a bar in a session of the block."""
        number = self._block.dates.index(session)
        rows = range(self._block.bounds[number], self._block.bounds[number + 1])
        return {self._block.symbols[row]: f"{self._checksum(row):08x}" for row in rows}

    def _checksum(self, row: int) -> int:
        checksum = zlib.crc32(self._numbers[row].tobytes())
        for values in self._texts:
            checksum = zlib.crc32(_bytes(values[row]), checksum)
        return checksum


def _bytes(value: Any) -> bytes:
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
