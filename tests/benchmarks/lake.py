"""The lake: what it costs to read and to maintain a year of daily batch files, and ten years of silver."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import duckdb

from stockstream.pipeline.lake import CURRENT, RAW, Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.vacuum import run as vacuum
from tests.benchmarks import _consolidating, _peers, _reading, _requests
from tests.benchmarks._harness import Figure, main, spent
from tests.benchmarks._synthetic import corrections, make_bars, sessions, write_daily, write_day
from tests.s3_server import S3Server

MAX_OVER_PLAIN = 1.3


def measure(quick: bool) -> Iterator[Figure]:
    symbols, year, decade, runs = (200, 70, 200, 1) if quick else (2000, 250, 2520, 5)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder, S3Server() as s3:
        os.environ.update(s3.environment)
        sent = yield from _year(s3, Path(folder) / "year", symbols, year, runs)
        yield from _decade(s3, Path(folder), symbols, decade, runs, sent * decade / year)


def _year(s3: S3Server, lake: Path, symbols: int, count: int, runs: int) -> Generator[Figure, None, int]:
    """Read the same lake before consolidation, after it, and with its batch files archived.

    Returns the bytes that S3 sends for one symbol's history before consolidation.
    """
    days = sessions(count)
    Lake(str(lake)).prepare(MARKETS["ASX"], days[-1])
    with duckdb.connect() as con:
        make_bars(con, symbols, days)
        write_daily(con, lake, symbols, days)
    yield Figure("a year: batch files", len(list((lake / RAW).iterdir())), "files")
    yield Figure("a year: rows", symbols * count, "rows")
    yield from _reading.unconsolidated(lake, days, runs)
    uri = _requests.uploaded(s3, lake)
    figures, sent = _requests.unconsolidated(s3, uri, days[-1])
    yield from figures
    yield Figure("a year: consolidated at once", spent(lambda: consolidate({}, Lake(str(lake)))).cpu, "CPU s")
    yield Figure("a year: manifest", (lake / CURRENT).stat().st_size, "bytes")
    yield from _reading.consolidated("a year", lake, days[-1], runs, MAX_OVER_PLAIN)
    _requests.upload(s3, lake, uri)
    yield from _requests.consolidated("a year", s3, uri, days[-1], sent)
    archiving = {"delete": True, "raw": "archive", "raw_older_than_days": 0}
    yield Figure("a year: archived at once", spent(lambda: vacuum(archiving, Lake(str(lake)))).cpu, "CPU s")
    yield Figure("a year, archived: manifest", (lake / CURRENT).stat().st_size, "bytes")
    yield from _requests.consolidated("a year, archived", s3, _requests.uploaded(s3, lake), days[-1], sent)
    return sent


def _decade(s3: S3Server, root: Path, symbols: int, count: int, runs: int, unconsolidated: float) -> Iterator[Figure]:
    """Add one more day, and another, to a long history.

    `unconsolidated`: the bytes that S3 would send for one symbol's history if the history were daily batch files.
    """
    days = sessions(count + 2)
    past, day, next_day = days[:-2], days[-2], days[-1]
    lake = root / "decade"
    with duckdb.connect() as con:
        make_bars(con, symbols, days)
        yield Figure("ten years: rows", symbols * count, "rows")
        yield Figure("ten years: consolidated at once", _consolidating.build(con, lake, past).cpu, "CPU s")
        yield from _consolidating.daily(con, lake, days[:-1], runs)
        yield from _consolidating.compacting(con, root / "late", days[:-1])
        history = sorted((lake / RAW).iterdir())
        write_day(con, root / "day", day)
        write_day(con, root / "next", next_day, corrections(days[-_consolidating.LATE - 1 :]))
    new_files, corrected = (sorted((root / name / RAW).iterdir()) for name in ("day", "next"))
    yield from _peers.side_by_side(root, history, new_files, corrected, day, runs)
    for file in new_files:
        shutil.copy(file, lake / RAW)
    yield from _reading.consolidated("ten years + a fresh day", lake, day, runs)
    consolidate({}, Lake(str(lake)))
    yield from _reading.consolidated("ten years", lake, day, runs, MAX_OVER_PLAIN)
    yield from _requests.consolidated("ten years", s3, _requests.uploaded(s3, lake), day, unconsolidated)


if __name__ == "__main__":
    main("The lake", measure)
