"""A market for the soak: 50 symbols over ten years and 60 days, with splits, dividends and corrections.

Everything follows from a seed. Prices are as traded: a bar has one value at a time, that of its last correction.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from tests.faults._lake import US

SYMBOLS, BATCH, HISTORY, DAYS = 50, 25, 2520, 60
TRAILING = 4
"""The newest sessions whose corrections `run` fetches by itself, in a market without a gap."""

BARS = """
CREATE TABLE bars AS
WITH noise AS (
    SELECT
        format('S{:02d}', i) AS symbol, i, s.n, s.date,
        CAST(hash(i, s.n, $seed) % 100003 AS DOUBLE) / 100003 - 0.5 AS first,
        CAST(hash(s.n, i, $seed) % 100019 AS DOUBLE) / 100019 - 0.5 AS second
    FROM range($symbols) AS numbers (i), sessions AS s
),
walk AS (
    SELECT *, (10 + i) * exp(sum(0.03 * first) OVER (PARTITION BY i ORDER BY n)) AS price FROM noise
),
traded AS (
    SELECT
        w.*, coalesce(s.ratio, 1) AS split_ratio,
        w.price / coalesce((SELECT product(ratio) FROM splits AS p WHERE p.i = w.i AND p.n <= w.n), 1) AS close
    FROM walk AS w
    LEFT JOIN splits AS s ON s.i = w.i AND s.n = w.n
)
SELECT
    symbol, n, date, split_ratio, CASE WHEN (n + i) % 63 = 0 THEN round(0.004 * close, 4) ELSE 0 END AS dividend,
    round(close * (1 + 0.01 * second), 4) AS open, round(close, 4) AS close,
    round(greatest(close, close * (1 + 0.01 * second)) * 1.004, 4) AS high,
    round(least(close, close * (1 + 0.01 * second)) * 0.996, 4) AS low,
    CAST(1000 + hash(symbol, n) % 100000 AS BIGINT) AS volume
FROM traded
"""
VERSIONS = """
CREATE TABLE versions AS
SELECT symbol, n, date, 0 AS correction, 0 AS since, open, high, low, close, volume, dividend, split_ratio FROM bars
UNION ALL
SELECT
    b.symbol, b.n, b.date, c.id, c.since, round(b.open * 1.01, 4), round(b.high * 1.01, 4), round(b.low * 1.01, 4),
    round(b.close * 1.01, 4), b.volume + 7, b.dividend, b.split_ratio
FROM bars AS b
JOIN corrections AS c ON c.symbol = b.symbol AND b.n BETWEEN c.first AND c.last
"""
AS_OF = """
SELECT symbol, date, open, high, low, close, volume, dividend, split_ratio
FROM {versions}
WHERE n BETWEEN {first} AND {n} AND since <= {n}
QUALIFY row_number() OVER (PARTITION BY symbol, n ORDER BY correction DESC) = 1
ORDER BY symbol, date
"""


@dataclass(frozen=True)
class Correction:
    """The source changes the bars `first` to `last` of a symbol (numbers of sessions) at the end of session `since`."""

    id: int
    symbol: str
    first: int
    last: int
    since: int

    @property
    def is_old(self) -> bool:
        """Whether `run` does not fetch these bars again by itself."""
        return self.first <= self.since - TRAILING


class Market:
    """The market of a seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        dice = random.Random(seed)
        self.splits = [
            (i, n, dice.choice([2, 3, 4, 0.5]))
            for i in range(SYMBOLS)
            for n in dice.sample(range(100, HISTORY), 2) + dice.sample(range(HISTORY + 1, HISTORY + DAYS), i % 5 == 0)
        ]
        old = [
            Correction(0, f"S{i:02d}", first := dice.randrange(50, HISTORY - 100), first + dice.randrange(1, 30), since)
            for i in dice.sample(range(SYMBOLS), 12)
            if (since := dice.randrange(HISTORY + 1, HISTORY + DAYS - 1))
        ]
        late = [
            Correction(0, f"S{i:02d}", since - 2, since - 1, since)
            for i in dice.sample(range(SYMBOLS), 20)
            if (since := dice.randrange(HISTORY + 3, HISTORY + DAYS))
        ]
        self.corrections = [
            Correction(number, c.symbol, c.first, c.last, c.since) for number, c in enumerate([*old, *late], start=1)
        ]

    @cached_property
    def sessions(self) -> list[date]:
        """The sessions of ten years and 60 days."""
        return [session.date() for session in US.schedule(2025).loc["2014-01-01":].index[: HISTORY + DAYS]]

    @cached_property
    def _con(self) -> DuckDBPyConnection:
        con = duckdb.connect()
        con.execute("SET threads = 2")
        con.execute("CREATE TABLE sessions (n INTEGER, date DATE)")
        con.executemany("INSERT INTO sessions VALUES (?, ?)", list(enumerate(self.sessions)))
        con.execute("CREATE TABLE splits (i INTEGER, n INTEGER, ratio DOUBLE)")
        con.executemany("INSERT INTO splits VALUES (?, ?, ?)", self.splits)
        con.execute("CREATE TABLE corrections (id INTEGER, symbol VARCHAR, first INTEGER, last INTEGER, since INTEGER)")
        rows = [(c.id, c.symbol, c.first, c.last, c.since) for c in self.corrections]
        con.executemany("INSERT INTO corrections VALUES (?, ?, ?, ?, ?)", rows)
        con.execute(BARS, {"seed": self._seed, "symbols": SYMBOLS})
        con.execute(VERSIONS)
        return con

    def write_source(self, path: Path, n: int, newest: int = HISTORY + DAYS) -> None:
        """Write the source's Parquet file as of the end of a session, with the newest sessions."""
        query = AS_OF.format(versions="versions", first=n - newest, n=n)
        self._con.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")

    def write_versions(self, path: Path) -> None:
        """Write all values that bars ever have, with the correction that they come from."""
        self._con.execute(f"COPY (FROM versions ORDER BY symbol, n) TO '{path}' (FORMAT parquet)")
