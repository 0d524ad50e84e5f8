"""A lake of years: memory of the steps, manifests after a thousand days, a year of tiers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from tests.benchmarks import _manifests, _memory, _requests, _tiers
from tests.benchmarks._harness import Figure, main
from tests.benchmarks._synthetic import YEAR, make_bars, sessions, write_history
from tests.s3_server import S3Server


def measure(quick: bool) -> Iterator[Figure]:
    symbols, decade, simulated, runs = (50, 300, 60, 1) if quick else (2500, 10 * YEAR, 1000, 3)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder, S3Server() as s3:
        os.environ.update(s3.environment)
        root = Path(folder)
        yield from _decade(root / "decade", s3, symbols, decade, simulated, runs, goals=not quick)
        symbols, decade, year = (100, 400, 16) if quick else (2000, 10 * YEAR, YEAR)
        days = sessions(decade + year)
        with duckdb.connect() as con:
            make_bars(con, symbols, days)
            yield from _tiers.a_year(con, root / "tiers", symbols, days, decade, goals=not quick)
        yield from _requests.in_tiers("a year of daily runs", s3, root / "tiers", days[-1])


def _decade(
    lake: Path, s3: S3Server, symbols: int, count: int, simulated: int, runs: int, goals: bool
) -> Iterator[Figure]:
    days = sessions(count + 2)
    Lake(str(lake)).prepare(MARKETS["ASX"], days[-1])
    name = f"{symbols * count:,} rows"
    with duckdb.connect() as con:
        make_bars(con, symbols, days)
        write_history(con, lake, days[:-2])
        yield from _memory.first_steps(lake, name)
        yield from _memory.later_steps(con, lake, name, days[-2])
        past = [day for day in days if day < days[-2]][-simulated:]
        yield from _manifests.measure(con, s3, lake, past, days[-1], runs, goals)


if __name__ == "__main__":
    main("A lake of years", measure)
