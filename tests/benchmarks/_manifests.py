"""Manifests after a thousand days: their sizes, the requests of `history`, a run's own CPU, one pass of `vacuum`."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from duckdb import DuckDBPyConnection

from stockstream.pipeline.generation_history import history
from stockstream.pipeline.lake import CURRENT, MANIFESTS, RAW, Lake, raw_key
from stockstream.pipeline.manifest import Change, Manifest, Table
from stockstream.pipeline.publishing import publish
from stockstream.pipeline.steps.vacuum import run as vacuum
from tests.benchmarks._harness import Figure, spent
from tests.benchmarks._step import in_process
from tests.benchmarks._synthetic import write_day
from tests.s3_server import S3Server

BATCHES = 23
"""Batch files per day."""
MAX_MANIFEST, MAX_POINTER = 64 * 1024, 256 * 1024
MAX_REQUESTS = 3
MAX_OVER_FIRST = 1.1
RETENTION = timedelta(days=30)
"""Age of the simulated generations: more than the retention of `vacuum`."""


def simulated(lake: Lake, days: Sequence[date]) -> None:
    """Publish a generation per day as a run does: the tables are as large as ever, and name 23 batch files more.

    The batch files exist: links to one small file.
    """
    folder = Path(lake.uri)
    small = folder.with_name("small.parquet")
    small.write_bytes(b"a batch file that silver contains, which nobody reads")
    for day in days:
        names = [raw_key(day, number).removeprefix(RAW) for number in range(BATCHES)]
        for name in names:
            os.link(small, folder / RAW / name)
        publish(lake, "run", lambda before, names=names: (_day(before, names), None))  # type: ignore[misc]


def _day(before: Manifest, names: Sequence[str]) -> Change:
    tables: dict[str, Table | None] = {
        name: table.model_copy(update={"generation": before.generation}) for name, table in before.tables.items()
    }
    return Change(tables, inputs=tuple(names), consolidated=tuple(sorted({*before.consolidated, *names})))


def measure(
    con: DuckDBPyConnection, s3: S3Server, lake: Path, past: Sequence[date], day: date, runs: int, goals: bool
) -> Iterator[Figure]:
    """Measure a consolidated lake before and after the simulated days; `day` is in the table raw, and not in the lake.

    The lake is changed.
    """
    first = lake.with_name("first")
    shutil.copytree(lake, first, copy_function=os.link)
    name = f"{len(past):,} days of {BATCHES} batch files"
    cost = spent(lambda: simulated(Lake(str(lake)), past))
    yield Figure(f"{name}: a publication", 1000 * cost.cpu / len(past), "CPU ms")
    sizes = [path.stat().st_size for path in (lake / MANIFESTS).iterdir()]
    yield Figure(f"{name}: largest manifest", max(sizes), "bytes", MAX_MANIFEST)
    yield Figure(f"{name}: pointer", (lake / CURRENT).stat().st_size, "bytes", MAX_POINTER)
    yield Figure(f"{name}: all manifests", sum(sizes), "bytes")
    uri = f"s3://{s3.new_bucket()}/lake"
    state = {str(path.relative_to(lake)): path.read_bytes() for path in (lake / "state").rglob("*") if path.is_file()}
    s3.fill(uri, state)
    with s3.counted() as requests:
        entries = history(Lake(uri))
    if len(entries) < len(past) or any(entry.problem for entry in entries):
        raise RuntimeError(f"history lists {len(entries)} generations")
    yield Figure(f"{name}: history", len(requests), "requests", MAX_REQUESTS)
    yield from _runs(con, name, first, lake, day, runs, goals)
    yield from _vacuumed(name, lake)


def _runs(
    con: DuckDBPyConnection, name: str, first: Path, later: Path, day: date, runs: int, goals: bool
) -> Iterator[Figure]:
    """Compare the refresh of a run, all tables of one more day, in both lakes in turn."""
    costs: dict[Path, list[float]] = {first: [], later: []}
    for _ in range(runs):
        for lake, spends in costs.items():
            other = lake.with_name("copy")
            shutil.copytree(lake, other, copy_function=os.link)
            write_day(con, other, day)
            spends.append(in_process("refresh", other).cpu)
            shutil.rmtree(other)
    before, after = (median(spends) for spends in costs.values())
    yield Figure(f"{name}: a run after the fetch", after, "CPU s")
    yield Figure(
        f"{name}: a run after the fetch / on day one", after / before, "x CPU", MAX_OVER_FIRST if goals else None
    )


def _vacuumed(name: str, lake: Path) -> Iterator[Figure]:
    aged = time.time() - RETENTION.total_seconds()
    for path in lake.rglob("*"):
        os.utime(path, (aged, aged))
    needs = in_process("vacuum", lake, {"delete": True})
    left = vacuum({}, Lake(str(lake)))
    yield Figure(f"{name}: vacuum", needs.cpu, "CPU s")
    yield Figure(f"{name}: vacuum", needs.memory / 2**20, "MB at most", 1024)
    yield Figure(f"{name}: vacuum, generations deleted", len(needs.result["manifests"]), "generations")
    yield Figure(
        f"{name}: left for a second vacuum", len(left["manifests"]) + left["files"] + left["orphans"], "objects", 0
    )
