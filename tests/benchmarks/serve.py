"""Serving: one symbol's year over HTTP, beside datasette and ROAPI on the same rows; answers that have not changed."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import requests

from stockstream import analytics
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps import consolidate, refresh
from stockstream.sql.session import connect
from tests.benchmarks._harness import Figure, main
from tests.benchmarks._servers import environment, load, running, sqlite_of
from tests.benchmarks._synthetic import LAST_DAY, make_bars, sessions, write_history

OURS = "from stockstream.analytics.cli import main; main()"
ARROW = "application/vnd.apache.arrow.stream"


def measure(quick: bool) -> Iterator[Figure]:
    symbols, years, seconds = (50, 2, 1) if quick else (2_000, 10, 5)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as name:
        folder = Path(name)
        lake = _lake(folder, symbols, 252 * years)
        yield from _measured(folder, lake, quick, seconds)


def _lake(folder: Path, symbols: int, days: int) -> str:
    """Return a lake of synthetic bars with all its tables."""
    lake = folder / "lake"
    with connect(str(lake)) as con:
        make_bars(con, symbols, sessions(days))
        write_history(con, lake, sessions(days))
    opened = Lake(str(lake))
    opened.prepare(MARKETS["ASX"], LAST_DAY)
    consolidate.run({}, opened)
    refresh.run({}, opened)
    return str(lake)


def _measured(folder: Path, lake: str, quick: bool, seconds: int) -> Iterator[Figure]:
    with analytics.connect(lake) as con:
        rows = con.sql(
            "SELECT symbol, date::VARCHAR, open, high, low, close, volume FROM bars_split_adjusted ORDER BY ALL"
        )
        sqlite_of(rows.fetchall(), folder / "bars.db")
        con.sql(f"COPY (FROM bars_split_adjusted ORDER BY symbol, date) TO '{folder}/bars.parquet'")
        names = [symbol for (symbol,) in con.sql("SELECT DISTINCT symbol FROM bars ORDER BY 1").fetchall()]
        [(last,)] = con.sql("SELECT max(date) FROM bars").fetchall()
    span = f"start={last.replace(year=last.year - 1)}&end={last}"
    paths = [f"/v1/bars/{symbol}?{span}" for symbol in names[:500]]
    began = time.perf_counter()
    command = [sys.executable, "-c", OURS, "serve", "--lake", lake, "--port", "PORT", "--rate", "1000000"]
    with running([*command, "--burst", "1000000"], paths[0], {"LOG_LEVEL": "WARNING"}) as (pid, address):
        yield Figure("until the first answer, the serving file included", time.perf_counter() - began, "s")
        tag = requests.get(address + paths[0], timeout=60).headers["etag"]
        json = load(pid, address, paths, {"Accept": "application/json"}, seconds, folder)
        arrow = load(pid, address, paths, {"Accept": ARROW}, seconds, folder)
        same = load(pid, address, paths, {"If-None-Match": tag}, seconds, folder)
        many = f"/v1/bars?symbols={','.join(names[:500])}&start={last}&limit=500"
        day = load(pid, address, [many], {"Accept": ARROW}, seconds, folder)
    yield Figure("one symbol's year as JSON", json.cpu_ms, "ms CPU per request")
    yield Figure("one symbol's year as Arrow", arrow.cpu_ms, "ms CPU per request")
    yield Figure("an answer that has not changed (304)", same.cpu_ms, "ms CPU per request", None if quick else 0.2)
    yield Figure(f"the last day of {len(names[:500])} symbols", day.cpu_ms, "ms CPU", None if quick else 10)
    yield Figure("memory of the server", day.memory_mb, "MB", None if quick else 300)
    yield from _peers(folder, quick, seconds, names[:500], str(last), json.cpu_ms, arrow.cpu_ms)


def _peers(
    folder: Path, quick: bool, seconds: int, names: list[str], last: str, json: float, arrow: float
) -> Iterator[Figure]:
    programs = environment()
    first = f"{int(last[:4]) - 1}{last[4:]}"
    columns = "_col=date&_col=open&_col=high&_col=low&_col=close&_col=volume"
    paths = [
        f"/bars/bars.json?symbol={name}&date__gte={first}&date__lte={last}&_size=max&_shape=arrays&_nocount=1&_nofacet=1"
        f"&{columns}"
        for name in names
    ]
    command = [
        programs / "datasette",
        "serve",
        folder / "bars.db",
        "-p",
        "PORT",
        "--setting",
        "max_returned_rows",
        "5000",
    ]
    with running(command, paths[0]) as (pid, address):
        peer = load(pid, address, paths, {}, seconds, folder)
    yield Figure("datasette on SQLite, JSON", peer.cpu_ms, "ms CPU per request")
    yield Figure("JSON, compared with datasette", json / peer.cpu_ms, "×", None if quick else 0.9)
    yield Figure("Arrow, compared with datasette", arrow / peer.cpu_ms, "×", None if quick else 0.65)
    query = "columns=date,open,high,low,close,volume&filter%5Bsymbol%5D=%27{}%27&filter%5Bdate%5Dgte=%27{}%27&sort=date"
    paths = ["/api/tables/bars?" + query.format(name, first) for name in names]
    command = [programs / "roapi", "-a", "127.0.0.1:PORT", "-p", "127.0.0.1:0", "-t", f"bars={folder}/bars.parquet"]
    with running(command, paths[0]) as (pid, address):
        peer = load(pid, address, paths, {}, seconds, folder)
    yield Figure("ROAPI on Parquet, JSON", peer.cpu_ms, "ms CPU per request")
    yield Figure("JSON, compared with ROAPI", json / peer.cpu_ms, "×", None if quick else 1)


if __name__ == "__main__":
    main("Serving", measure)
