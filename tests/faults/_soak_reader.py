"""A reader of the soak, as a process: it queries a lake until it is stopped, and compares all that it sees.

`python -m tests.faults._soak_reader LAKE FOLDER KEEP`: FOLDER has `versions.parquet` (`_market`), the file `stop` at
the end, and the file `damaged` while a file of the lake is damaged. A connection is used for KEEP queries. The last
line of the output is JSON: the number of queries, of those while a file was damaged, and what was wrong.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.errors import StockStreamError
from stockstream.sql.session import LakeWarning, connect
from tests.faults._market import BATCH

PAUSE = 0.5
"""Seconds between two queries."""
WRONG = {
    "values that the source never had": """
        SELECT b.symbol, b.date FROM seen AS b ANTI JOIN versions AS v ON v.symbol = b.symbol AND v.date = b.date
            AND v.open = b.open AND v.high = b.high AND v.low = b.low AND v.close = b.close AND v.volume = b.volume
            AND v.dividend = coalesce(b.dividend, 0) AND v.split_ratio = coalesce(b.split_ratio, 1)
    """,
    "bars twice": "SELECT symbol, date FROM seen GROUP BY symbol, date HAVING count(*) > 1",
    "a symbol with a missing bar": """
        SELECT b.symbol, b.bars FROM (SELECT symbol, count(*) AS bars, max(date) AS last FROM seen GROUP BY symbol) AS b
        JOIN sessions AS s ON s.date = b.last WHERE b.bars <> s.n + 1
    """,
    "a batch of which a part is visible": f"""
        SELECT batch, count(*) FROM (
            SELECT CAST(right(symbol, 2) AS INTEGER) // {BATCH} AS batch, max(date) AS last, count(*) OVER () AS symbols
            FROM seen GROUP BY symbol
        ) GROUP BY batch HAVING count(DISTINCT last) > 1 OR count(*) <> {BATCH}
    """,
    "a correction of which a part is visible": """
        SELECT v.correction, count(*) FROM seen AS b
        JOIN versions AS v ON v.symbol = b.symbol AND v.date = b.date AND v.close = b.close AND v.correction > 0
        GROUP BY v.correction
        HAVING count(*) <> (SELECT count(*) FROM versions AS w WHERE w.correction = v.correction)
    """,
    "indicators with a missing day": """
        SELECT i.symbol, i.bars
        FROM (SELECT symbol, count(*) AS bars, max(date) AS last FROM indicators GROUP BY symbol) AS i
        JOIN sessions AS s ON s.date = i.last WHERE i.bars <> s.n + 1
    """,
    "3-day bars that are not of the bars": """
        SELECT r.symbol, r.bars
        FROM (SELECT symbol, sum(bars) AS bars, max(date) AS last FROM bars_3d GROUP BY symbol) AS r
        JOIN sessions AS s ON s.date = r.last WHERE r.bars <> s.n + 1
    """,
}
"""Queries that return rows if a reader has seen a half state or a wrong value."""


def open_lake(lake: str, folder: Path) -> DuckDBPyConnection:
    con = connect(lake)
    con.execute("SET threads = 1")
    con.execute(f"CREATE TEMP TABLE versions AS FROM read_parquet('{folder}/versions.parquet')")
    con.execute("CREATE TEMP TABLE sessions AS SELECT DISTINCT n, date FROM versions")
    return con


def look(con: DuckDBPyConnection) -> list[str]:
    """Return what is wrong."""
    con.execute("CREATE OR REPLACE TEMP TABLE seen AS FROM bars")
    wrong = []
    for what, query in WRONG.items():
        rows = con.execute(query).fetchall()
        if rows:
            wrong.append(f"{what}: {len(rows)}, the first {rows[0]}")
    return wrong


def main(lake: str, folder: Path, keep: int) -> None:
    looks, disturbed, named, wrong = 0, 0, 0, []
    warnings.simplefilter("error", LakeWarning)
    con, used = None, 0
    while not (folder / "stop").exists():
        mark = (folder / "damaged").exists(), (folder / "changes").read_text()
        found: list[str] = []
        try:
            if con is None or used >= keep:
                con, used = open_lake(lake, folder), 0
            used += 1
            found = look(con)
        except (StockStreamError, LakeWarning, duckdb.Error) as error:
            con = None
            named += 1
            found = [f"{type(error).__name__}: {error}"]
        looks += 1
        if mark == (False, (folder / "changes").read_text()):
            wrong += found
        else:
            disturbed += 1
            con = None  # a connection may keep what it has read of a damaged file
        time.sleep(PAUSE)
    print(json.dumps({"looks": looks, "disturbed": disturbed, "named": named, "wrong": wrong[:20]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
