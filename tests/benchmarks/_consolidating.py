"""Measures a daily consolidation into a long history: CPU, and bytes written as a percentage of silver's bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.consolidate import LARGEST_DELTA, TAIL
from stockstream.pipeline.steps.consolidate import run as consolidate
from tests.benchmarks._harness import Figure, Spent, spent
from tests.benchmarks._reading import SYMBOL
from tests.benchmarks._synthetic import corrections, restated, write_day, write_history

LATE = 10
"""Number of earlier sessions that a late correction changes."""
MAX_CPU = 10.0
"""CPU seconds that a daily consolidation may take."""
MAX_SHARE = 10.0
"""Percentage of silver's bytes that a daily consolidation may write."""

Writer = Callable[[Path], None]
"""Writes new batch files into the lake in a folder."""


class Cost(NamedTuple):
    """CPU seconds, and bytes written as a percentage of the previous bytes of silver."""

    cpu: float
    share: float


def build(con: DuckDBPyConnection, lake: Path, days: Sequence[date]) -> Spent:
    """Create a lake with the rows of some days and consolidate it; return the cost of the consolidation."""
    Lake(str(lake)).prepare(MARKETS["ASX"], days[-1])
    write_history(con, lake, days)
    return spent(lambda: consolidate({}, Lake(str(lake))))


def daily(con: DuckDBPyConnection, lake: Path, days: Sequence[date], runs: int) -> Iterator[Figure]:
    """Measure the consolidation of the last day into copies of a lake that has the days before it."""
    cases: dict[str, Writer] = {
        "consolidate a day": lambda copy: write_day(con, copy, days[-1]),
        f"consolidate a day, {LATE} more of 1 % of symbols corrected": (
            lambda copy: write_day(con, copy, days[-1], corrections(days[-LATE - 1 :]))
        ),
        "consolidate a day, one history restated for a split": (
            lambda copy: write_day(con, copy, days[-1], restated(SYMBOL, days[-1]))
        ),
    }
    for name, write in cases.items():
        costs = []
        for _ in range(runs):
            copy = lake.with_name("copy")
            shutil.copytree(lake, copy, copy_function=os.link)  # no file of a lake is changed in place
            costs.append(_consolidated(copy, write))
            shutil.rmtree(copy)
        yield from _figures(name, Cost(median(cost.cpu for cost in costs), costs[0].share))


def compacting(con: DuckDBPyConnection, lake: Path, days: Sequence[date]) -> Iterator[Figure]:
    """Measure the extremes: the largest delta, and the next day, on which its old rows become a tier of base.

    `lake` is a folder that does not exist yet; the last day adds the tier.
    """
    base = len(days) - 1 - TAIL
    late = int(base * LARGEST_DELTA / (1 + LARGEST_DELTA))
    build(con, lake, days[: -late - 1])
    cost = _consolidated(lake, lambda copy: write_history(con, copy, days[-late - 1 : -1]))
    yield from _figures("consolidate, delta at its largest", cost)
    cost = _consolidated(lake, lambda copy: write_day(con, copy, days[-1]), compacts=True)
    yield from _figures(f"add a tier, once in {late + 1} days", cost, goals=False)


def _consolidated(lake: Path, write: Writer, compacts: bool = False) -> Cost:
    """Put new batch files into a lake and measure their consolidation."""
    write(lake)
    before, silver = _sizes(lake), sum(file.bytes for file in head(Lake(str(lake))).table("bars").files)
    results = []
    time = spent(lambda: results.append(consolidate({}, Lake(str(lake)))))
    if (results[0]["compacted"] or results[0]["sealed"]) != compacts:
        raise RuntimeError(f"not the consolidation that was to be measured: {results[0]}")
    new_bytes = sum(size for file, size in _sizes(lake).items() if file not in before)
    return Cost(time.cpu, 100 * new_bytes / silver)


def _sizes(lake: Path) -> dict[tuple[str, int], int]:
    """Return the size of every file by name and inode; a replaced file has another inode."""
    files = [file for file in lake.rglob("*") if file.is_file()]
    return {(str(file.relative_to(lake)), file.stat().st_ino): file.stat().st_size for file in files}


def _figures(name: str, cost: Cost, goals: bool = True) -> Iterator[Figure]:
    yield Figure(name, cost.cpu, "CPU s", MAX_CPU if goals else None)
    yield Figure(name, cost.share, "% of silver written", MAX_SHARE if goals else None)
