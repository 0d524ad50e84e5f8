"""Live, view: `bars_live` beside `bars_split_adjusted` on ten years of bars, with a live bar of every symbol."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb

from stockstream.analytics import connect
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.facts import session_of
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.state import StateTable, state_of
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.consolidate import run as consolidate
from tests.benchmarks._harness import Figure, Work, beside, main
from tests.benchmarks._synthetic import make_bars, sessions, write_history

MAX_RATIO = 2
"""CPU time of a query of `bars_live` over that of the same query of `bars_split_adjusted`."""
VIEWS = ("bars_split_adjusted", "bars_live")
QUERIES = {
    "one symbol": "SELECT * FROM {view} WHERE symbol = 'S0107'",
    "all symbols of one day": "SELECT * FROM {view} WHERE date = DATE '{day}'",
    "rsi of one symbol": "FROM rsi('{view}', 14) WHERE symbol = 'S0107'",
}


def measure(quick: bool) -> Iterator[Figure]:
    symbols, count, runs = (200, 120, 2) if quick else (2000, 2520, 7)
    days = sessions(count)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder:
        lake = Lake(f"{folder}/lake")
        market = MARKETS["ASX"]
        lake.prepare(market, days[-1])
        with duckdb.connect() as con:
            make_bars(con, symbols, days)
            write_history(con, Path(lake.uri), days)
        consolidate({}, lake)
        day = days[-1] + timedelta(1)  # a session
        fold = Fold(session_of(market, day))
        opens = fold.session.opens
        event = {"ev": "A", "v": 100, "o": 10.0, "h": 10.0, "l": 10.0, "c": 10.0, "s": opens, "av": 100}
        frame = json.dumps([event | {"sym": f"S{number:04d}"} for number in range(symbols)])
        fold.apply("1", decode(frame.encode(), fold.counts))
        fold.bars["S0107"].split_ratio = 2.0  # the session is an ex-date
        StateTable(lake, str(day)).save(state_of(fold, "benchmark", "1"))
        with connect(lake.uri) as con:
            yield Figure(f"{symbols:,} symbols: rows of bars_split_adjusted", _rows(con, "bars_split_adjusted"), "rows")
            (live,) = beside([_work(con, "FROM live")], runs)
            yield Figure("FROM live", 1e3 * live.cpu, "ms CPU")
            for name, query in QUERIES.items():
                works = [_work(con, query.format(view=view, day=days[-1])) for view in VIEWS]
                plain, with_live = beside(works, runs)
                yield Figure(f"bars_split_adjusted: {name}", 1e3 * plain.cpu, "ms CPU")
                yield Figure(f"bars_live: {name}", 1e3 * with_live.cpu, "ms CPU")
                yield Figure(
                    f"bars_live over bars_split_adjusted: {name}",
                    with_live.cpu / plain.cpu,
                    "times",
                    None if quick else MAX_RATIO,
                )


def _work(con: duckdb.DuckDBPyConnection, query: str) -> Work:
    return lambda: None, lambda _: con.execute(query).fetchall()


def _rows(con: duckdb.DuckDBPyConnection, view: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {view}").fetchall()[0][0])


if __name__ == "__main__":
    main("Live, view", measure)
