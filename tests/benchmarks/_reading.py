"""Measures the CPU of reading a lake in a folder: the views against plain scans of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import Lake
from stockstream.sql.session import connect
from tests.benchmarks._harness import Figure, beside
from tests.benchmarks._synthetic import copy

SYMBOL = "S0100"
# Aggregates of every column, so that each column is read.
BARS_COLUMNS = """
    max(symbol), max(date), sum(open), sum(high), sum(low), sum(close), sum(volume), sum(adjusted_close),
    max(fetch_timestamp), sum(dividend), sum(split_ratio), max(source), max(price_basis)
"""
ADJUSTED_COLUMNS = """
    max(symbol), max(date), sum(open), sum(high), sum(low), sum(close), sum(volume), sum(dividend), sum(split_ratio),
    sum(split_factor), sum(dividend_factor)
"""


def reads(day: date) -> dict[str, str]:
    """Return the typical reads, each as the end of a query: `FROM bars {end}`."""
    return {
        "full scan": "",
        "one symbol": f"WHERE symbol = '{SYMBOL}'",
        "latest day": f"WHERE date = DATE '{day}'",
    }


def unconsolidated(lake: Path, days: Sequence[date], runs: int) -> Iterator[Figure]:
    """Compare the views on daily batch files with a plain read of the same files."""
    plain, bars, adjusted, newest, verified, unverified = beside(
        [
            *(
                (partial(connect, str(lake), verify=False), aggregated(columns, source))
                for columns, source in (
                    (BARS_COLUMNS, "read_parquet(raw_files())"),
                    (BARS_COLUMNS, "bars"),
                    (ADJUSTED_COLUMNS, "bars_adjusted"),
                    (BARS_COLUMNS, f"bars_since('{days[-5]}')"),
                )
            ),
            (lambda: None, lambda _: connect(str(lake))),
            (lambda: None, lambda _: connect(str(lake), verify=False)),
        ],
        runs,
    )
    yield Figure("unconsolidated: read_parquet, as they are", plain.cpu, "CPU s")
    yield Figure("unconsolidated: bars", bars.cpu, "CPU s")
    yield Figure("unconsolidated: bars / read_parquet", bars.cpu / plain.cpu, "x", goal=3)
    yield Figure("unconsolidated: bars_adjusted / bars", adjusted.cpu / bars.cpu, "x")
    yield Figure("unconsolidated: bars_since, last 5 days / bars", newest.cpu / bars.cpu, "x")
    yield Figure("unconsolidated: connect()", verified.cpu, "CPU s")
    yield Figure("unconsolidated: connect(verify=False)", unverified.cpu, "CPU s")


def consolidated(name: str, lake: Path, day: date, runs: int, goal: float | None = None) -> Iterator[Figure]:
    """Compare the view `bars` with a plain scan of the same rows in one sorted file; `goal` is for the full scan."""
    uri = str(lake)
    sorted_file = lake / "sorted.parquet"
    with Lake(uri).session() as con:
        copy(con, "FROM bars ORDER BY symbol, date", sorted_file)
    for read, end in reads(day).items():
        plain, bars = beside(
            [
                (partial(connect, uri), aggregated(BARS_COLUMNS, f"read_parquet('{sorted_file}') {end}")),
                (partial(connect, uri), aggregated(BARS_COLUMNS, f"bars {end}")),
            ],
            runs,
        )
        yield Figure(f"{name}, {read}: bars", bars.cpu, "CPU s")
        limit = goal if not end else None
        yield Figure(f"{name}, {read}: bars / sorted file", bars.cpu / plain.cpu, "x", limit)
    sorted_file.unlink()


def aggregated(columns: str, source: str) -> Callable[[DuckDBPyConnection], Any]:
    """Return a function that reads columns of a source to the end on a connection."""
    return lambda con: con.execute(f"SELECT {columns} FROM {source}").fetchall()
