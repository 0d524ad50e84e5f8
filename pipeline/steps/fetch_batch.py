"""Step 2, once per batch: fetch the bars of up to 100 symbols and store what is new."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from duckdb import DuckDBPyConnection

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import Conflict, LakeError, SourceError, UsageError
from stockstream.pipeline.lake import Lake, no_files, parquet, raw_key, since
from stockstream.pipeline.markets import Market
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.pipeline.steps.update_symbols import last_list
from stockstream.pipeline.steps.windows import History, plan
from stockstream.sql.loader import load
from stockstream.sql.session import FileFilter, files_of, list_files, listed_files, pick_files, quoted, set_variable

logger = logging.getLogger(__name__)

Event = dict[str, Any]

ATTEMPTS = 20
STEPS = ("steps/newest_bars", "steps/accept", "steps/news", "steps/waiting")


def fetch_batch(
    event: Event,
    lake: Lake,
    source: Source,
    market: Market,
    now: datetime | None = None,
    on_symbols: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Fetch one batch and store it as `raw-data/YYYY-MM-DD-batch-N.parquet`.

    `event`: `symbols` (the lake's newest list by default), `batchNumber` (none: the file has no batch suffix), `date`
    (YYYY-MM-DD, the run's day; today on the exchange by default), `start` (first day of a symbol without bars),
    `end` with `start` (backfill: that range for every symbol). `now` (aware) is the clock.

    Only rows that tell something new are stored, in a file of their own (`…-part-1.parquet` and so on when the batch is
    run again on its day); a batch without news writes nothing. Gives `{"batchNumber", "date", "key" (None: nothing
    written), "rows", "firstDate", "lastDate", "symbols", "upToDate", "openSession", "missing", "stopped"}`.
    `missing` lists `{"symbol", "reason"}` where the source failed for a symbol, or gave no close yet for its newest
    day; whatever else was fetched is stored. `stopped` names the error that kept the rest from being asked for (None:
    all were). `on_symbols` is told how many more symbols are dealt with; a SourceError that it raises stops the batch.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    now = now or datetime.now(UTC)
    day = date.fromisoformat(event["date"]) if event.get("date") else market.today(now)
    asked = _history(event, market, day, now)
    symbols = event.get("symbols") or [listing.symbol for listing in last_list(lake, day)[1]]
    if not symbols:
        raise UsageError(f"{lake.uri} has no list of symbols: give symbols, or update the list first")
    result: dict[str, Any] = {
        "batchNumber": event.get("batchNumber"),
        "date": str(day),
        "key": None,
        "rows": 0,
        "firstDate": None,
        "lastDate": None,
        "symbols": len(symbols),
        "upToDate": 0,
        "openSession": 0,
        "missing": [],
        "stopped": None,
    }
    with lake.session(no_files, *STEPS) as con:
        con.execute("SET threads = 1")  # several batches run at once, and most of one is statements of milliseconds
        windows = plan(con, lake, symbols, asked, market, settings().trailing_sessions)
        result["upToDate"] = len(symbols) - len(windows)
        on_symbols(result["upToDate"])
        if not windows:
            return result
        set_variable(con, "batch_symbols", [window.symbol for window in windows])
        missing, result["stopped"] = _ask(con, source, windows, on_symbols)
        result["openSession"] = _accept(con, market.complete_through(day, now))
        file_filter = since(min(window.start for window in windows))
        result["key"] = _publish(con, lake, day, event.get("batchNumber"), source, now, file_filter)
        if result["key"]:
            result["rows"], first, last = con.execute("SELECT count(*), min(date), max(date) FROM news").fetchall()[0]
            result["firstDate"], result["lastDate"] = str(first), str(last)
        waiting = con.execute(load("steps/waiting").text).fetchall()
    missing |= {symbol: f"no close yet for {last}" for symbol, last in waiting}
    result["missing"] = [{"symbol": symbol, "reason": reason} for symbol, reason in sorted(missing.items())]
    logger.info("batch %s: %d rows, %d missing", result["batchNumber"], result["rows"], len(missing))
    return result


def _history(event: Event, market: Market, day: date, now: datetime) -> History:
    complete_through = market.complete_through(day, now)
    start = date.fromisoformat(event["start"]) if event.get("start") else settings().start
    if event.get("end"):
        return History(start, min(date.fromisoformat(event["end"]), complete_through), whole=True)
    return History(start, complete_through)


def _ask(
    con: DuckDBPyConnection, source: Source, windows: Sequence[Window], on_symbols: Callable[[int], None]
) -> tuple[dict[str, str], str | None]:
    """Collect a source's answers in the table `fetched`; give the reason for each symbol that could not be had.

    And the name of the error that ended it early, if one did.
    """
    con.execute(load("schema/raw").text)
    con.execute("CREATE TEMP TABLE fetched AS FROM raw")
    con.execute("CREATE TEMP TABLE windows (symbol VARCHAR, start_date DATE, end_date DATE)")
    rows = ", ".join(f"({quoted(w.symbol)}, DATE '{w.start}', DATE '{w.end}')" for w in windows)
    con.execute(f"INSERT INTO windows VALUES {rows}")
    open_windows = {window.symbol for window in windows}
    missing: dict[str, str] = {}
    stopped = None
    try:
        for answer in source.fetch(con, windows):
            _take(con, answer)
            missing |= answer.failed
            open_windows -= {*answer.symbols, *answer.failed}
            on_symbols(len(answer.symbols) + len(answer.failed))
    except SourceError as refusal:
        # Rate limited, the key refused, no time: what has been fetched is stored, the rest is for the next run.
        stopped = type(refusal).__name__
        logger.warning("%s: %s", source.name, refusal)
        missing |= dict.fromkeys(open_windows, str(refusal))
    else:
        missing |= dict.fromkeys(open_windows, f"{source.name} did not answer")
    return missing, stopped


def _take(con: DuckDBPyConnection, answer: Answer) -> None:
    if answer.bars is not None:
        answer.bars.query("answer", "INSERT INTO fetched BY NAME FROM answer")


def _accept(con: DuckDBPyConnection, complete_through: date) -> int:
    """Make the table `accepted`; count the bars of sessions that are still open, which are not stored."""
    con.execute(load("steps/accept").text)
    row = con.execute(
        "SELECT count(*) FROM fetched WHERE date > $complete_through", {"complete_through": complete_through}
    ).fetchone()
    return int(row[0]) if row else 0


def _publish(
    con: DuckDBPyConnection,
    lake: Lake,
    day: date,
    batch: int | None,
    source: Source,
    now: datetime,
    file_filter: FileFilter,
) -> str | None:
    """Store the news as a new file; when another run was faster, what is news to what that run has made of the lake."""
    stamp = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    for _ in range(ATTEMPTS):
        list_files(con, lake.uri)
        pick_files(con, lake.uri, file_filter)
        told = {"fetch_timestamp": stamp, "source": source.name, "basis_is_declared": source.basis_is_declared}
        con.execute(load("steps/news").text, told)
        if con.execute("SELECT count(*) FROM news").fetchall() == [(0,)]:
            return None
        # Names of files that are gone, too: readers would take the new file for the one that the manifest names.
        taken = {file.rsplit("/", 1)[-1] for file in listed_files(con)} | set(files_of(con, "used_names"))
        keys = (raw_key(day, batch, part) for part in count())
        key = next(key for key in keys if key.rsplit("/", 1)[-1] not in taken)
        try:
            lake.store.put(key, parquet(con, "FROM news ORDER BY symbol, date"), replaces=None)
        except Conflict:
            continue
        return key
    raise LakeError(f"{lake.uri}: other runs are writing batch {batch} all the time: run again later")
