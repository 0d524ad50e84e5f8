"""Made-up bars in the lake's own format, the same ones every time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from pipeline.lake import raw_key
from pipeline.market import MARKETS
from sql.loader import load

LAST_DAY = date(2025, 6, 30)
BATCH = 100
"""Symbols a batch file, as the pipeline cuts them."""


def sessions(count: int) -> list[date]:
    """Give the last so many sessions of the exchange up to LAST_DAY."""
    schedule = MARKETS["ASX"].schedule(LAST_DAY.year)
    return [day.date() for day in schedule.index if day.date() <= LAST_DAY][-count:]


def make_bars(con: DuckDBPyConnection, symbols: int, days: Sequence[date]) -> None:
    """Make the table `raw` of schema/raw.sql: a row for each symbol (S0000, ...) and day, in the order of the days.

    Cents move from day to day, everybody pays two dividends a year, and one in a hundred splits once.
    """
    con.execute(load("schema/raw").text)
    con.execute("CREATE OR REPLACE TEMP TABLE days (number INTEGER, day DATE)")
    con.execute(f"INSERT INTO days VALUES {', '.join(f'({n}, DATE {str(day)!r})' for n, day in enumerate(days))}")
    con.execute(
        """
        INSERT INTO raw BY NAME
        WITH closes AS (
            SELECT
                s, d.number AS n, format('S{:04d}', s) AS symbol, d.day AS date,
                round(2 + s % 90 + 0.01 * (s % 90 + 2) * (5 * sin(n / 17.0 + s) + hash(s, n) % 100 / 50.0), 2) AS close
            FROM range($symbols) AS symbols (s) CROSS JOIN days AS d
        )
        SELECT
            symbol, date, close,
            round(close * (1 + (hash(n, s) % 7 - 3.0) / 400), 2) AS open,
            round(close * (1 + hash(n, s, 1) % 9 / 400.0), 2) AS high,
            round(close * (1 - hash(n, s, 2) % 9 / 400.0), 2) AS low,
            (hash(n, s, 3) % 1000000)::BIGINT AS volume,
            close AS adjusted_close,
            date || 'T07:00:00.000000Z' AS fetch_timestamp,
            CASE WHEN (n + s) % 126 = 0 THEN round(close * 0.02, 2) ELSE 0.0 END AS dividend,
            CASE WHEN s % 100 = 7 AND n = 20 + s % 200 THEN 2.0 ELSE 1.0 END AS split_ratio,
            'benchmark' AS source,
            date AS price_basis
        FROM closes
        ORDER BY n, s
        """,
        {"symbols": symbols},
    )


def write_daily(con: DuckDBPyConnection, lake: Path, symbols: int, days: Sequence[date]) -> None:
    """Write the first rows of `raw` as daily runs would have: for each day a file per batch."""
    (lake / "raw-data").mkdir(parents=True)
    for number, day in enumerate(days):
        for batch, first in enumerate(range(0, symbols, BATCH)):
            row = number * symbols + first
            last = number * symbols + min(first + BATCH, symbols) - 1
            copy(con, f"FROM raw WHERE rowid BETWEEN {row} AND {last}", lake / raw_key(day, batch))


def copy(con: DuckDBPyConnection, query: str, path: Path, options: str = "COMPRESSION zstd") -> None:
    """Write a query's rows to a Parquet file."""
    con.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, {options})")
