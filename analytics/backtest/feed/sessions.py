"""Rows by symbol turned into rows by session, in memory that does not grow with the history.

Indicators are computed symbol by symbol, and traded session by session. Sorting all rows at once takes memory for all
of them; so some symbols are sorted at a time, laid down in a file, and the files are read side by side.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.feed.arrow import joined, numbers, read, write

BLOCK = 50_000
"""Rows that are in Python's hands at a time."""


def by_session(con: DuckDBPyConnection, queries: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Give the rows of some queries as one that is ordered by date and symbol would.

    Each query is so ordered, and all of its symbols come before those of the next.
    """
    if len(queries) == 1:
        yield from con.execute(queries[0]).to_arrow_reader(BLOCK)
        return
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        paths = [Path(folder) / f"{number}.arrow" for number in range(len(queries))]
        for query, path in zip(queries, paths, strict=True):
            write(con.execute(query).to_arrow_reader(BLOCK // len(queries)), path)
        yield from _side_by_side([read(path) for path in paths])


def _side_by_side(streams: Sequence[Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    ends = dict(enumerate(streams))
    """The streams that have more."""
    held: dict[int, pa.RecordBatch] = {}
    while True:
        for number, stream in list(ends.items()):
            if number not in held or _is_one_day(held[number]):
                if (more := next(stream, None)) is None:
                    del ends[number]
                else:
                    held[number] = joined([held[number], more]) if number in held else more
        if not held:
            return
        # Before this day no stream has more to come.
        until = min((_last(held[number]) for number in ends), default=None)
        ready = []
        for number in sorted(held):
            rows = held.pop(number)
            cut = len(rows) if until is None else int(np.searchsorted(numbers(rows, "date"), until))
            if cut:
                ready.append(rows.slice(0, cut))
            if cut < len(rows):
                held[number] = rows.slice(cut)
        if ready:
            rows = joined(ready)
            order = np.argsort(numbers(rows, "date"), kind="stable")
            yield rows.take(pa.Array.from_buffers(pa.int64(), len(order), [None, pa.py_buffer(order)]))


def _last(rows: pa.RecordBatch) -> int:
    return int(numbers(rows, "date")[-1])


def _is_one_day(rows: pa.RecordBatch) -> bool:
    days = numbers(rows, "date")
    return bool(days[0] == days[-1])
