"""Run programs over bars, in several threads, and return batches of rows, of which few are in memory at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from stockstream.sql.compiler.arrays.bars import Bars
from stockstream.sql.compiler.arrays.blocks import compute
from stockstream.sql.compiler.arrays.compared import Benchmarks, compute_compared
from stockstream.sql.compiler.arrays.kernels import Array
from stockstream.sql.compiler.arrays.pieces import ROWS
from stockstream.sql.compiler.arrays.program import Program


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of some symbols."""

    bars: Bars
    first: int
    """Number of the first symbol."""
    last: int
    """Number after that of the last symbol."""
    values: Mapping[str, Array]
    """Values per column; NaN for NULL."""


def batches(
    parts: Sequence[Bars], programs: Sequence[Program], benchmarks: Benchmarks, *, threads: int | None = None
) -> Iterator[Batch]:
    """Return the results in the order of symbols; at most `threads` + 1 batches are in memory.

    `benchmarks`: the bars of the benchmarks of the programs.
    `threads`: number of threads; None: one per core that this process may use.
    """
    count = threads or available_cores()
    rows = max((ROWS, *(program.cells for program in programs)))
    spans = [span for bars in parts for span in _spans(bars, rows)]
    if count == 1 or len(spans) == 1:
        yield from (_batch(programs, benchmarks, *span) for span in spans)
        return
    with ThreadPoolExecutor(count) as pool:
        waiting: deque[Future[Batch]] = deque()
        for span in spans:
            waiting.append(pool.submit(_batch, programs, benchmarks, *span))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _batch(programs: Sequence[Program], benchmarks: Benchmarks, bars: Bars, first: int, last: int) -> Batch:
    names = [name for program in programs for name in program.outputs]
    rows = int(bars.ends[last - 1] - bars.starts[first])
    values = {name: np.empty(rows) for name in names}
    for program in programs:
        if program.benchmark is None:
            compute(bars, program, first, last, values)
        else:
            compute_compared(bars, program, benchmarks[program.benchmark], first, last, values)
    return Batch(bars, first, last, values)


def _spans(bars: Bars, rows: int) -> list[tuple[Bars, int, int]]:
    """Return (bars, first symbol, end) of each batch: at most `rows` rows, or one symbol."""
    spans, first = [], 0
    while first < len(bars.symbols):
        last = int(np.searchsorted(bars.ends, bars.starts[first] + rows, side="right"))
        spans.append((bars, first, max(last, first + 1)))
        first = spans[-1][2]
    return spans


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
