"""Writes synthetic bars in the format of a lake; they are the same in every run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import raw_key
from stockstream.pipeline.markets import MARKETS
from stockstream.sql.loader import load

LAST_DAY = date(2025, 6, 30)
BATCH = 100
"""Symbols per batch file, as in the pipeline."""
YEAR = 252
"""Sessions per year."""


def sessions(count: int) -> list[date]:
    """Return the last `count` sessions of the exchange up to LAST_DAY."""
    schedule = MARKETS["ASX"].schedule(LAST_DAY.year)
    return [day.date() for day in schedule.index if day.date() <= LAST_DAY][-count:]


def make_bars(con: DuckDBPyConnection, symbols: int, days: Sequence[date]) -> None:
    """Create and fill the table `raw` of schema/raw.sql: one row per symbol (S0000, …) and day, ordered by day.

    Every symbol pays two dividends per year, and one symbol in a hundred splits once.
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
    """Write the rows of `raw` of the first days as daily runs do: one file per day and batch of symbols."""
    (lake / "raw-data").mkdir(parents=True)
    for number, day in enumerate(days):
        for batch, first in enumerate(range(0, symbols, BATCH)):
            row = number * symbols + first
            last = number * symbols + min(first + BATCH, symbols) - 1
            copy(con, f"FROM raw WHERE rowid BETWEEN {row} AND {last}", lake / raw_key(day, batch))


def write_history(con: DuckDBPyConnection, lake: Path, days: Sequence[date]) -> None:
    """Write the rows of `raw` of some days as an import does: one file per year of sessions."""
    (lake / "raw-data").mkdir(parents=True, exist_ok=True)
    for first in range(0, len(days), YEAR):
        year = days[first : first + YEAR]
        query = f"FROM raw WHERE date BETWEEN DATE '{year[0]}' AND DATE '{year[-1]}' ORDER BY symbol, date"
        copy(con, query, lake / raw_key(year[-1], None))


def write_day(con: DuckDBPyConnection, lake: Path, day: date, corrected: str = "FROM raw LIMIT 0") -> None:
    """Write one day of `raw` as its daily run does, one file per batch, with the rows of the query `corrected`."""
    (lake / "raw-data").mkdir(parents=True, exist_ok=True)
    con.execute(f"CREATE OR REPLACE TEMP TABLE corrected AS {corrected}")
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE new_rows AS
        FROM corrected UNION ALL
        FROM raw WHERE date = DATE '{day}' AND symbol NOT IN (SELECT symbol FROM corrected WHERE date = DATE '{day}')
        """
    )
    symbols = con.execute("SELECT count(*) FROM new_rows WHERE date = $day", {"day": day}).fetchall()[0][0]
    for batch, first in enumerate(range(0, symbols, BATCH)):
        query = f"FROM new_rows WHERE symbol BETWEEN 'S{first:04d}' AND 'S{first + BATCH - 1:04d}'"
        copy(con, query, lake / raw_key(day, batch))


def corrections(days: Sequence[date]) -> str:
    """Return a query of corrections: one symbol in a hundred, on all of the days but the last, fetched on the last."""
    return f"""
        SELECT * REPLACE (volume + 1 AS volume, '{days[-1]}T08:00:00.000000Z' AS fetch_timestamp)
        FROM raw WHERE symbol LIKE 'S__50' AND date BETWEEN DATE '{days[0]}' AND DATE '{days[-2]}'
    """


def restated(symbol: str, day: date) -> str:
    """Return a query of a symbol's history up to a day, as a source restates it for a 2:1 split on that day."""
    return f"""
        SELECT * REPLACE (
            open / 2 AS open, high / 2 AS high, low / 2 AS low, close / 2 AS close, volume * 2 AS volume,
            '{day}T08:00:00.000000Z' AS fetch_timestamp, DATE '{day}' AS price_basis,
            CASE date WHEN DATE '{day}' THEN 2.0 ELSE split_ratio END AS split_ratio
        )
        FROM raw WHERE symbol = '{symbol}' AND date <= DATE '{day}'
    """


def copy(con: DuckDBPyConnection, query: str, path: Path, options: str = "COMPRESSION zstd") -> None:
    """Write a query's rows to a Parquet file."""
    con.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, {options})")
