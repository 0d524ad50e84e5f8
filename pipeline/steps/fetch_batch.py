"""Step 2, once per batch: fetch the bars of up to 100 symbols and store what is new."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from pipeline.errors import LakeError, SourceError, UsageError
from pipeline.lake import Lake, parquet, raw_key, since
from pipeline.market import Market
from pipeline.settings import settings
from pipeline.sources.base import Answer, Source, Window
from pipeline.steps.update_symbols import last_list
from pipeline.steps.windows import History, plan
from pipeline.store import Stored
from sql.loader import load
from sql.session import find_files, set_variable

logger = logging.getLogger(__name__)

Event = dict[str, Any]


def fetch_batch(
    event: Event, lake: Lake, source: Source, market: Market, now: datetime | None = None
) -> dict[str, Any]:
    """Fetch one batch and store it as `raw-data/YYYY-MM-DD-batch-N.parquet`.

    `event`: `symbols` (the lake's newest list by default), `batchNumber` (none: the file has no batch suffix), `date`
    (YYYY-MM-DD, the run's day; today on the exchange by default), `start` (first day of a symbol without bars),
    `end` with `start` (backfill: that range for every symbol). `now` (aware) is the clock.

    Only rows that tell something new are stored, added to what the file holds already; a batch without news writes
    nothing. Gives `{"batchNumber", "date", "key" (None: nothing written), "rows", "firstDate", "lastDate", "symbols",
    "upToDate", "openSession", "missing": [{"symbol", "reason"}]}`. A symbol is missing when the source failed for it,
    or gave no close yet for a day; whatever else was fetched is stored.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    now = now or datetime.now(UTC)
    day = date.fromisoformat(event["date"]) if event.get("date") else market.today(now)
    asked = _history(event, market, day, now)
    symbols = event.get("symbols") or [listing.symbol for listing in last_list(lake, day)[1]]
    if not symbols:
        raise UsageError(f"{lake.uri} has no list of symbols: give symbols, or update the list first")
    windows = plan(lake, symbols, asked, market, settings().trailing_sessions)

    result: dict[str, Any] = {
        "batchNumber": event.get("batchNumber"),
        "date": str(day),
        "key": None,
        "rows": 0,
        "firstDate": None,
        "lastDate": None,
        "symbols": len(symbols),
        "upToDate": len(symbols) - len(windows),
        "openSession": 0,
        "missing": [],
    }
    if not windows:
        return result
    narrow = since(min(window.start for window in windows))
    with lake.session(narrow) as con:
        set_variable(con, "batch_symbols", [window.symbol for window in windows])
        missing = _ask(con, source, windows)
        result["openSession"] = _settle(con, market.settled_through(day, now))
        unsettled = con.execute("SELECT symbol, max(date) FROM settled WHERE close IS NULL GROUP BY symbol").fetchall()
        missing |= {symbol: f"no close yet for {last}" for symbol, last in unsettled}
        key = raw_key(day, event.get("batchNumber"))
        if _publish(con, lake, key, source, now, narrow):
            result["key"] = key
            result["rows"], first, last = con.execute("SELECT count(*), min(date), max(date) FROM news").fetchall()[0]
            result["firstDate"], result["lastDate"] = str(first), str(last)
    result["missing"] = [{"symbol": symbol, "reason": reason} for symbol, reason in sorted(missing.items())]
    logger.info("batch %s: %d rows, %d missing", result["batchNumber"], result["rows"], len(missing))
    return result


def _history(event: Event, market: Market, day: date, now: datetime) -> History:
    settled = market.settled_through(day, now)
    start = date.fromisoformat(event["start"]) if event.get("start") else settings().start
    if event.get("end"):
        return History(start, min(date.fromisoformat(event["end"]), settled), whole=True)
    return History(start, settled)


def _ask(con: DuckDBPyConnection, source: Source, windows: Sequence[Window]) -> dict[str, str]:
    """Collect a source's answers in the table `fetched`; give the reason for each symbol that could not be had."""
    con.execute(load("schema/raw").text)
    con.execute("CREATE TEMP TABLE fetched AS FROM raw")
    con.execute("CREATE TEMP TABLE windows (symbol VARCHAR, start_date DATE, end_date DATE)")
    con.executemany("INSERT INTO windows VALUES (?, ?, ?)", [(w.symbol, w.start, w.end) for w in windows])
    open_windows = {window.symbol for window in windows}
    missing: dict[str, str] = {}
    try:
        for answer in source.fetch(con, windows):
            _take(con, answer)
            missing |= answer.failed
            open_windows -= {*answer.symbols, *answer.failed}
    except SourceError as refusal:
        # Rate limited, or the key refused: what has been fetched is stored, the rest is for the next run.
        logger.warning("%s: %s", source.name, refusal)
        missing |= dict.fromkeys(open_windows, str(refusal))
    else:
        missing |= dict.fromkeys(open_windows, f"{source.name} did not answer")
    return missing


def _take(con: DuckDBPyConnection, answer: Answer) -> None:
    if answer.bars is not None:
        answer.bars.query("answer", "INSERT INTO fetched BY NAME FROM answer")


def _settle(con: DuckDBPyConnection, settled: date) -> int:
    """Make the table `settled`; count the bars of sessions that are still open, which are not stored."""
    con.execute(load("steps/settle").text)
    row = con.execute("SELECT count(*) FROM fetched WHERE date > $settled", {"settled": settled}).fetchone()
    return int(row[0]) if row else 0


def _publish(con: DuckDBPyConnection, lake: Lake, key: str, source: Source, now: datetime, narrow: Any) -> bool:
    """Add the news to the batch file; when another run was faster, to what that run has made of the lake."""
    stamp = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def with_news(before: Stored | None) -> bytes | None:
        find_files(con, lake.uri, narrow=narrow)
        con.execute(load("steps/news").text, {"fetch_timestamp": stamp, "source": source.name})
        if con.execute("SELECT count(*) FROM news").fetchall() == [(0,)]:
            return None
        con.execute("CREATE OR REPLACE TEMP TABLE batch_file_before AS FROM raw")
        if before is not None:
            _load(con, lake.store.uri(key), before)
        return parquet(con, load("steps/batch_file").text)

    return lake.update(key, with_news)


def _load(con: DuckDBPyConnection, uri: str, before: Stored) -> None:
    """Read a batch file as it was seen (not as it may be by now) into the table `batch_file_before`."""
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        path = Path(folder) / "before.parquet"
        path.write_bytes(before.data)
        try:
            con.execute("INSERT INTO batch_file_before BY NAME FROM read_parquet($path)", {"path": str(path)})
        except duckdb.Error:
            raise LakeError(f"{uri} is no readable batch file: move it away and run again") from None
