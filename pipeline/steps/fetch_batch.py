"""Fetch the bars of one batch of symbols; store the new rows, and the values that are not used."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from itertools import count

from duckdb import DuckDBPyConnection

from stockstream.pipeline.companies import last_list
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import Conflict, LakeError, SourceError, UsageError
from stockstream.pipeline.events import BatchResult, FetchBatchEvent, QuarantinedValues
from stockstream.pipeline.lake import Lake, no_files, parquet, quarantine_key, raw_key, since
from stockstream.pipeline.markets import Market
from stockstream.pipeline.pointer import refresh, show_all
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.pipeline.windows import FetchRange, plan_windows
from stockstream.sql.loader import load, views_for
from stockstream.sql.session import (
    FileFilter,
    explained,
    files_of,
    list_files,
    listed_files,
    pick_files,
    quoted,
    set_variable,
)

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 20
JUDGE = ("steps/arrive", "steps/repeated", "steps/accept", "steps/faulty")
"""The steps from the table `fetched` to `accepted`, the rows that may be stored, and `faulty`, the values not used."""
COMPARE = ("steps/batch_factors", "steps/stored", "steps/paired", "steps/withdrawn", "steps/news", "steps/unkept")
"""The steps from `accepted` to `news`, the rows to store, and `unkept`, the values that the quarantine lacks."""
SQL = ("steps/newest_bars", "steps/recent_splits", "steps/unrestated", *JUDGE, *COMPARE, "steps/waiting")
IS_LATE = "SELECT $day <= json_extract_string(getvariable('pointer').text, '$.readers.after')"
"""Whether readers would not see a file of a day, because the pointer lets them list newer ones only."""
NEEDS_HELD = """
SELECT len(getvariable('quarantine_files')) > 0
    OR EXISTS (FROM faulty AS f JOIN stored AS s ON s.symbol = f.symbol AND s.date = f.date)
    OR EXISTS (FROM stored WHERE (open + high + low + close + volume) IS NULL)
"""
"""Whether the lake's quarantine may have values of the batch: reading it is reading batch files again."""


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
    no close yet; all other rows are stored. Values that could not be read are stored as a file in `quarantine/`, once,
    and `quarantined` counts all values that are not used. `now` (aware) is the clock. `on_symbols` is called with the
    number of symbols that were processed since the last call; a SourceError that it raises ends the batch.

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
        with explained(lake.uri):
            windows = plan_windows(con, lake, symbols, days, market, settings().trailing_sessions)
        result["up_to_date"] = len(symbols) - len(windows)
        on_symbols(result["up_to_date"])
        if not windows:
            return result
        set_variable(con, "batch_symbols", [window.symbol for window in windows])
        missing, result["stopped"] = _fetch(con, source, windows, on_symbols)
        result["open_session"] = _judge(con, market.complete_through(day, now))
        result["quarantined"] = _quarantined(con)
        file_filter = since(min(window.start for window in windows))
        with explained(lake.uri):
            result["key"] = _store(con, lake, day, event.get("batchNumber"), source, now, file_filter)
        if result["key"]:
            result["rows"], first, last = con.execute("SELECT count(*), min(date), max(date) FROM news").fetchall()[0]
            result["first_date"], result["last_date"] = str(first), str(last)
        with explained(lake.uri):
            waiting = con.execute(load("steps/waiting").text).fetchall()
    missing |= {symbol: reason for symbol, _, reason in waiting}
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
    """Collect a source's answers in the tables `fetched`, `cells` and `answered`.

    Returns the reason per symbol that could not be fetched, and the name of the error that ended it early, or None.
    """
    con.execute(load("schema/raw").text)
    con.execute(
        "CREATE TEMP TABLE fetched AS SELECT *, CAST(NULL AS VARCHAR) AS file, CAST(NULL AS BIGINT) AS line FROM raw"
    )
    con.execute(load("schema/quarantine").text)
    con.execute("CREATE TEMP TABLE cells AS FROM quarantine; DROP TABLE temp.quarantine")
    con.execute("CREATE TEMP TABLE answered (symbol VARCHAR)")
    con.execute("CREATE TEMP TABLE windows (symbol VARCHAR, start_date DATE, end_date DATE)")
    rows = ", ".join(f"({quoted(w.symbol)}, DATE '{w.start}', DATE '{w.end}')" for w in windows)
    con.execute(f"INSERT INTO windows VALUES {rows}")
    unanswered = {window.symbol for window in windows}
    missing: dict[str, str] = {}
    stopped = None
    try:
        for answer in source.fetch(con, windows):
            _insert(con, answer)
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


def _insert(con: DuckDBPyConnection, answer: Answer) -> None:
    if answer.bars is not None:
        answer.bars.query("answer", "INSERT INTO fetched BY NAME FROM answer")
    if answer.cells is not None:
        answer.cells.query("answer", "INSERT INTO cells BY NAME FROM answer")
    if answered := [symbol for symbol in answer.symbols if symbol not in answer.failed]:
        con.execute(f"INSERT INTO answered VALUES {', '.join(f'({quoted(symbol)})' for symbol in answered)}")


def _judge(con: DuckDBPyConnection, complete_through: date) -> int:
    """Create the tables `accepted` and `faulty`; return the number of bars of open sessions, which are left out."""
    for step in JUDGE:
        con.execute(load(step).text)
    row = con.execute(
        "SELECT count(*) FROM fetched WHERE date > $complete_through", {"complete_through": complete_through}
    ).fetchone()
    return int(row[0]) if row else 0


def _quarantined(con: DuckDBPyConnection) -> list[QuarantinedValues]:
    rows = con.execute(load("steps/quarantined").text).fetchall()
    return [
        {"column_name": column, "reason": reason, "values": values, "is_loss": is_loss, "first": first}
        for column, reason, values, is_loss, first in rows
    ]


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
    origin = {"fetch_timestamp": stamp, "source": source.name}
    for _ in range(MAX_ATTEMPTS):
        list_files(con, lake.uri)
        pick_files(con, lake.uri, file_filter)
        con.execute(load("steps/batch_factors").text)
        con.execute(load("steps/stored").text)
        _read_held(con, file_filter)
        declared = {"basis_is_declared": source.basis_is_declared}
        con.execute(load("steps/paired").text, declared)
        con.execute(load("steps/withdrawn").text, declared)
        con.execute(load("steps/news").text, origin | declared)
        con.execute(load("steps/unkept").text, origin)
        try:
            # First, so that a run that is killed in between stores no row whose values are not kept anywhere.
            names = files_of(con, "quarantine_files")
            quarantined = _put(con, lake, "unkept", lambda part: quarantine_key(day, batch, part), names)
            # Names of deleted files, too: readers would take the new file for the one that the manifest names.
            used = [*listed_files(con), *files_of(con, "used_names")]
            if con.execute(IS_LATE, {"day": str(day)}).fetchall() == [(True,)]:
                show_all(lake)
            key = _put(con, lake, "news", lambda part: raw_key(day, batch, part), used)
            if quarantined and key is None:
                refresh(lake)
            return key
        except Conflict:
            continue
    raise LakeError(f"{lake.uri}: other runs are writing batch {batch} all the time: run again later")


def _read_held(con: DuckDBPyConnection, file_filter: FileFilter) -> None:
    """Create the table `held`, the lake's quarantine for the batch; empty if it cannot have any of its values."""
    if con.execute(NEEDS_HELD).fetchall() == [(False,)]:
        con.execute("CREATE OR REPLACE TEMP TABLE held AS SELECT *, false AS is_repeated FROM cells LIMIT 0")
        return
    set_variable(con, "raw_files", sorted(file_filter(files_of(con, "raw_files"))))
    # Most batches do not need this view, and creating it takes longer than many of the queries.
    con.execute("".join(load(view).text for view in views_for("steps/held")))
    con.execute(load("steps/held").text)


def _put(con: DuckDBPyConnection, lake: Lake, table: str, key_of: Callable[[int], str], used: list[str]) -> str | None:
    """Store a table's rows under the first key whose name is not used; return the key, or None without rows.

    Raises:
        Conflict: another run has used the name meanwhile.
    """
    if con.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]:
        return None
    names = {_name(file) for file in used}
    key = next(key for part in count() if _name(key := key_of(part)) not in names)
    lake.store.put(key, parquet(con, f"FROM {table} ORDER BY symbol, date"), replaces=None)
    return key


def _name(file: str) -> str:
    return file.rsplit("/", 1)[-1]
