"""Fetch the bars of one batch of symbols and store the new rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from itertools import count

from duckdb import DuckDBPyConnection

from stockstream.pipeline.companies import last_list
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import Conflict, LakeError, SourceError, UsageError
from stockstream.pipeline.events import BatchResult, FetchBatchEvent
from stockstream.pipeline.lake import Lake, no_files, parquet, raw_key, since
from stockstream.pipeline.markets import Market
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.pipeline.windows import FetchRange, plan_windows
from stockstream.sql.loader import load
from stockstream.sql.session import FileFilter, files_of, list_files, listed_files, pick_files, quoted, set_variable

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 20
SQL = ("steps/newest_bars", "steps/accept", "steps/news", "steps/waiting")


def run(
    event: FetchBatchEvent,
    lake: Lake,
    source: Source,
    market: Market,
    now: datetime | None = None,
    on_symbols: Callable[[int], None] = lambda count: None,
) -> BatchResult:
    """Fetch one batch and store its new rows as `raw-data/YYYY-MM-DD-batch-N.parquet`.

    A later run of the same batch and day stores what is new in another file (`…-part-1.parquet` and so on); without
    new rows no file is written. `missing` lists the symbols that the source could not deliver, or whose newest bar has
    no close yet; all other rows are stored. `now` (aware) is the clock. `on_symbols` is called with the number of
    symbols that were processed since the last call; a SourceError that it raises ends the batch.

    Raises:
        UsageError: There are no symbols to fetch.
        LakeError: The lake cannot be read or written.
    """
    now = now or datetime.now(UTC)
    day = date.fromisoformat(text) if (text := event.get("date")) else market.today(now)
    days = _range(event, market, day, now)
    symbols = event.get("symbols") or [listing.symbol for listing in last_list(lake, day)[1]]
    if not symbols:
        raise UsageError(f"{lake.uri} has no list of symbols: give symbols, or update the list first")
    result: BatchResult = {
        "batchNumber": event.get("batchNumber"),
        "date": str(day),
        "key": None,
        "rows": 0,
        "first_date": None,
        "last_date": None,
        "symbols": len(symbols),
        "up_to_date": 0,
        "open_session": 0,
        "missing": [],
        "quarantined": [],
        "stopped": None,
    }
    with lake.session(no_files, *SQL) as con:
        con.execute("SET threads = 1")  # several batches run at once, and most of one is statements of milliseconds
        windows = plan_windows(con, lake, symbols, days, market, settings().trailing_sessions)
        result["up_to_date"] = len(symbols) - len(windows)
        on_symbols(result["up_to_date"])
        if not windows:
            return result
        set_variable(con, "batch_symbols", [window.symbol for window in windows])
        missing, result["stopped"] = _fetch(con, source, windows, on_symbols)
        result["open_session"] = _accept(con, market.complete_through(day, now))
        file_filter = since(min(window.start for window in windows))
        result["key"] = _store(con, lake, day, event.get("batchNumber"), source, now, file_filter)
        if result["key"]:
            result["rows"], first, last = con.execute("SELECT count(*), min(date), max(date) FROM news").fetchall()[0]
            result["first_date"], result["last_date"] = str(first), str(last)
        waiting = con.execute(load("steps/waiting").text).fetchall()
    missing |= {symbol: f"no close yet for {last}" for symbol, last in waiting}
    result["missing"] = [{"symbol": symbol, "reason": reason} for symbol, reason in sorted(missing.items())]
    logger.info("batch %s: %d rows, %d missing", result["batchNumber"], result["rows"], len(missing))
    return result


def _range(event: FetchBatchEvent, market: Market, day: date, now: datetime) -> FetchRange:
    complete_through = market.complete_through(day, now)
    start = date.fromisoformat(text) if (text := event.get("start")) else settings().start
    if text := event.get("end"):
        return FetchRange(start, min(date.fromisoformat(text), complete_through), backfill=True)
    return FetchRange(start, complete_through)


def _fetch(
    con: DuckDBPyConnection, source: Source, windows: Sequence[Window], on_symbols: Callable[[int], None]
) -> tuple[dict[str, str], str | None]:
    """Collect a source's answers in the table `fetched`.

    Returns the reason per symbol that could not be fetched, and the name of the error that ended it early, or None.
    """
    con.execute(load("schema/raw").text)
    con.execute(
        "CREATE TEMP TABLE fetched AS SELECT *, CAST(NULL AS VARCHAR) AS file, CAST(NULL AS BIGINT) AS line FROM raw"
    )
    con.execute("CREATE TEMP TABLE windows (symbol VARCHAR, start_date DATE, end_date DATE)")
    rows = ", ".join(f"({quoted(w.symbol)}, DATE '{w.start}', DATE '{w.end}')" for w in windows)
    con.execute(f"INSERT INTO windows VALUES {rows}")
    unanswered = {window.symbol for window in windows}
    missing: dict[str, str] = {}
    stopped = None
    try:
        for answer in source.fetch(con, windows):
            _insert(answer)
            missing |= answer.failed
            unanswered -= {*answer.symbols, *answer.failed}
            on_symbols(len(answer.symbols) + len(answer.failed))
    except SourceError as error:
        # Rate limited, the key refused, no time: what has been fetched is stored, the rest is for the next run.
        stopped = type(error).__name__
        logger.warning("%s: %s", source.name, error)
        missing |= dict.fromkeys(unanswered, str(error))
    else:
        missing |= dict.fromkeys(unanswered, f"{source.name} did not answer")
    return missing, stopped


def _insert(answer: Answer) -> None:
    if answer.bars is not None:
        answer.bars.query("answer", "INSERT INTO fetched BY NAME FROM answer")


def _accept(con: DuckDBPyConnection, complete_through: date) -> int:
    """Create the table `accepted`; return the number of bars of open sessions, which are left out."""
    con.execute(load("steps/accept").text)
    row = con.execute(
        "SELECT count(*) FROM fetched WHERE date > $complete_through", {"complete_through": complete_through}
    ).fetchone()
    return int(row[0]) if row else 0


def _store(
    con: DuckDBPyConnection,
    lake: Lake,
    day: date,
    batch: int | None,
    source: Source,
    now: datetime,
    file_filter: FileFilter,
) -> str | None:
    """Store the new rows as a file; return its key, or None if no row is new.

    If another run has stored a file meanwhile, the new rows are computed again against the files of that run.
    """
    stamp = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    parameters = {"fetch_timestamp": stamp, "source": source.name, "basis_is_declared": source.basis_is_declared}
    for _ in range(MAX_ATTEMPTS):
        list_files(con, lake.uri)
        pick_files(con, lake.uri, file_filter)
        con.execute(load("steps/news").text, parameters)
        if con.execute("SELECT count(*) FROM news").fetchall() == [(0,)]:
            return None
        # Names of deleted files, too: readers would take the new file for the one that the manifest names.
        names = {file.rsplit("/", 1)[-1] for file in listed_files(con)} | set(files_of(con, "used_names"))
        keys = (raw_key(day, batch, part) for part in count())
        key = next(key for key in keys if key.rsplit("/", 1)[-1] not in names)
        try:
            lake.store.put(key, parquet(con, "FROM news ORDER BY symbol, date"), replaces=None)
        except Conflict:
            continue
        return key
    raise LakeError(f"{lake.uri}: other runs are writing batch {batch} all the time: run again later")
