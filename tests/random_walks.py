"""Random daily bars, on which other engines were run too: the expected values of `test_same_answer` come from them.

numpy's generator with seed 7, 2,520 business days from 2014-01-02, prices rounded to four digits. The bars of S000 are
the same for 50 symbols and for 500.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

SYMBOLS = 500
DAYS = 2520
FIRST = np.datetime64("2014-01-02")


class Walk(NamedTuple):
    """The bars of one symbol, one value per day."""

    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.int64]


def random_walks(symbols: int = SYMBOLS) -> pl.DataFrame:
    """Return symbol, date, open, high, low, close and volume, sorted by symbol and date."""
    days = np.busday_offset(FIRST, np.arange(DAYS))
    frames = [
        pl.DataFrame({"symbol": f"S{number:03d}", "date": days, **walk._asdict()})
        for number, walk in zip(range(symbols), _walks(), strict=False)
    ]
    return pl.concat(frames)


def _walks() -> Iterator[Walk]:
    """Yield the symbols one by one; the order of the draws makes them the same everywhere."""
    random = np.random.default_rng(7)
    drift = random.normal(0.0003, 0.0003, SYMBOLS)
    spread = random.uniform(0.010, 0.035, SYMBOLS)
    first = random.uniform(2, 80, SYMBOLS)
    market = random.normal(0, 0.008, DAYS)
    beta = random.uniform(0.4, 1.4, SYMBOLS)
    for number in range(SYMBOLS):
        noise = random.standard_t(5, DAYS) * spread[number] / np.sqrt(5 / 3)
        close = first[number] * np.exp(np.cumsum(drift[number] + beta[number] * market + noise))
        before = np.concatenate([first[number : number + 1], close[:-1]])
        opening = before * np.exp(random.normal(0, spread[number] * 0.4, DAYS))
        higher = np.exp(np.abs(random.normal(0, spread[number] * 0.4, DAYS)))
        lower = np.exp(-np.abs(random.normal(0, spread[number] * 0.4, DAYS)))
        volume = random.lognormal(13.0, 0.6, DAYS).astype(np.int64)
        edges = np.maximum(opening, close) * higher, np.minimum(opening, close) * lower
        rounded = [column.round(4) for column in (opening, close, *edges)]
        yield Walk(rounded[0], np.max(rounded, axis=0), np.min(rounded, axis=0), rounded[1], volume)
