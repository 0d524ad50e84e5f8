"""Reorder rows by symbol into rows by session, in memory that does not grow with the history.

Indicators are computed symbol by symbol, but a backtest trades session by session. Sorting all rows at once needs
memory for all of them. Unless they are few, groups of symbols are sorted one after the other and written to files, and
the files are merged.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.analytics.backtest.feed.arrow import concatenate, numbers, read, symbols_of, write
from stockstream.analytics.backtest.feed.parts import Part

BLOCK = 50_000
"""Rows per record batch."""


class Folder:
    """A temporary folder for the files of a run, deleted with this object; created at its first use."""

    @cached_property
    def path(self) -> Path:
        """The folder."""
        path = Path(tempfile.mkdtemp(prefix="stockstream-"))
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return path


def by_session(
    con: DuckDBPyConnection, parts: Sequence[Part], symbols: Sequence[str], folder: Folder, *, in_memory: bool
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of several queries, ordered by date and symbol, in record batches.

    Args:
        con: the connection of the queries.
        parts: the queries. The symbols of each must sort before those of the next one; its rows may be in any order.
        symbols: the symbols of all rows, in order; they become the dictionary of the column `symbol`.
        folder: where the queries read from.
        in_memory: whether all rows are sorted at once, instead of part by part and in files.
    """
    codes = {symbol: code for code, symbol in enumerate(symbols)}
    if in_memory or len(parts) == 1:
        if read_parts := [rows for part in parts if (rows := part.read(con, codes)) is not None]:
            rows = concatenate(read_parts)
            read_parts.clear()
            yield from _sorted(rows, BLOCK)
        return
    with tempfile.TemporaryDirectory(prefix="stockstream-") as files:
        paths = [Path(files) / f"{number}.arrow" for number in range(len(parts))]
        for part, path in zip(parts, paths, strict=True):
            write(_sorted(part.read(con, codes), BLOCK // len(parts)), path)
        yield from _merge([read(path) for path in paths])


def _sorted(rows: pa.RecordBatch | None, size: int) -> Iterator[pa.RecordBatch]:
    """Yield rows ordered by date and symbol, in batches of `size` rows.

    They are sorted here, because that costs a fraction of ORDER BY: days and numbers of symbols fit into 16 bits.
    """
    if rows is None:
        return
    days, (_, codes) = numbers(rows, "date"), symbols_of(rows)
    order = _order(codes)
    order = order[_order(days[order])]
    for first in range(0, len(rows), size):
        yield _take(rows, order[first : first + size])


def _order(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the order that sorts whole numbers; equal ones keep their order."""
    values = values - values.min()
    # numpy sorts numbers of 16 bits by their digits, in linear time.
    return np.argsort(values.astype(np.uint16) if values.max() < 2**16 else values, kind="stable")


def _take(rows: pa.RecordBatch, order: NDArray[np.int64]) -> pa.RecordBatch:
    return rows.take(pa.Array.from_buffers(pa.int64(), len(order), [None, pa.py_buffer(order)]))


def _merge(streams: Sequence[Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    ends = dict(enumerate(streams))
    """The streams that are not exhausted yet, by number."""
    buffers: dict[int, pa.RecordBatch] = {}
    while True:
        for number, stream in list(ends.items()):
            if number not in buffers or _is_one_day(buffers[number]):
                if (more := next(stream, None)) is None:
                    del ends[number]
                else:
                    buffers[number] = concatenate([buffers[number], more]) if number in buffers else more
        if not buffers:
            return
        # All rows before this day have been read: the streams will only deliver rows of this day and later.
        until = min((_last(buffers[number]) for number in ends), default=None)
        ready = []
        for number in sorted(buffers):
            rows = buffers.pop(number)
            cut = len(rows) if until is None else int(np.searchsorted(numbers(rows, "date"), until))
            if cut:
                ready.append(rows.slice(0, cut))
            if cut < len(rows):
                buffers[number] = rows.slice(cut)
        if ready:
            rows = concatenate(ready)
            yield _take(rows, _order(numbers(rows, "date")))


def _last(rows: pa.RecordBatch) -> int:
    return int(numbers(rows, "date")[-1])


def _is_one_day(rows: pa.RecordBatch) -> bool:
    days = numbers(rows, "date")
    return bool(days[0] == days[-1])
