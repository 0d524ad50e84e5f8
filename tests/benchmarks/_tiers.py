"""A year of daily runs on ten years: what is written of base, and how many files a query of a symbol reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import DataFile
from stockstream.pipeline.steps.consolidate import run as consolidate
from tests.benchmarks import _consolidating
from tests.benchmarks._harness import Figure, spent
from tests.benchmarks._synthetic import corrections, restated, write_day

MAX_WRITTEN = 20
"""Percentage of base's bytes that a year may write beyond the deltas."""
MAX_FILES = 3
"""Files more that a query of a symbol may read."""
PER_SPLIT = 10_000
"""Bars per split: one per week for 2,000 symbols, as on the exchange."""
CORRECTED_EVERY = 10
"""Sessions from one late correction, of 1 % of the symbols on ten days, to the next."""


def a_year(
    con: DuckDBPyConnection, lake: Path, symbols: int, days: Sequence[date], past: int, goals: bool
) -> Iterator[Figure]:
    """Measure the days after the first `past` ones, each in a run of its own; `lake` does not exist yet."""
    _consolidating.build(con, lake, days[:past])
    first = head(Lake(str(lake))).table("bars").base
    written: dict[str, DataFile] = {}
    deltas, most, cpu, tiers, compacted = 0, 0, 0.0, 0, 0
    for number, day in enumerate(days[past:]):
        history = days[: past + number + 1]
        if number % (PER_SPLIT // symbols) == 1:
            rows = restated(f"S{7 * number % symbols:04d}", day)
        elif number % CORRECTED_EVERY == 0:
            rows = corrections(history[-_consolidating.LATE - 1 :])
        else:
            rows = "FROM raw LIMIT 0"
        write_day(con, lake, day, rows)
        results = []
        cpu += spent(lambda: results.append(consolidate({}, Lake(str(lake))))).cpu  # noqa: B023
        bars = head(Lake(str(lake))).table("bars")
        written |= {file.key: file for file in bars.base if file not in first}
        deltas += sum(file.bytes for file in bars.delta)
        most = max(most, len(bars.base) - len(first))
        tiers += results[0]["sealed"]
        compacted += results[0]["compacted"]
    size, new = (sum(file.bytes for file in files) for files in (first, written.values()))
    name = f"{len(days) - past} daily runs on {past} days of {symbols:,} symbols"
    yield Figure(f"{name}: written of base", 100 * new / size, "% of base", MAX_WRITTEN if goals else None)
    yield Figure(f"{name}: deltas written", 100 * deltas / size, "% of base")
    yield Figure(f"{name}: more files for a symbol", most, "files", MAX_FILES)
    yield Figure(f"{name}: tiers added", tiers, "times")
    yield Figure(f"{name}: base written as a whole", compacted, "times")
    yield Figure(f"{name}: restated symbols at the end", len(bars.restated), "symbols")
    yield Figure(f"{name}: a consolidation", cpu / (len(days) - past), "CPU s")
