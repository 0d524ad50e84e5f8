"""Step 4, once per interval: bars of several sessions, a week or a month, from the consolidated bars."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from duckdb import DuckDBPyConnection

from stockstream.pipeline import derived
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import LakeError, UsageError
from stockstream.pipeline.lake import SESSIONS, Lake, no_files
from stockstream.pipeline.manifest import Manifest, Table
from stockstream.pipeline.publish import publish, session_at, sql_versions, staging
from stockstream.sql.loader import load
from stockstream.sql.session import set_variable

logger = logging.getLogger(__name__)

Event = dict[str, Any]

STEPS = ("steps/resample", "steps/last_bucket")
AT_ONCE = 6
BEGINNING = date(1, 1, 1)
ROW_GROUP = 61_440
SQL = (
    *STEPS,
    "views/resample",
    "views/session_buckets",
    "views/bars_split_adjusted",
    "views/split_factors",
)
"""What decides the numbers: when one of these changes, everything is made anew."""
CALENDAR = {"weekly": "week", "monthly": "month"}


def resample(event: Event, lake: Lake) -> dict[str, Any]:
    """Publish a generation whose resampled bars are made of the newest consolidated bars.

    `event`: `intervals` (such as `["3d", "weekly"]`; those of STOCKSTREAM_RESAMPLE by default), made several at once.
    Gives `{"generation" (None: all were up to date), "tables": {"bars_3d": {"rows", "bytes", "whole" (everything was
    made anew, not only what the newest bars touch)}}}`, with the tables that were written.

    Raises:
        UsageError: an interval is none.
        LakeError: the lake cannot be read or written, or has no calendar.
    """
    intervals = {name: every(name) for name in event.get("intervals") or settings().resample}
    calendar = lake.store.get(SESSIONS)
    if calendar is None:
        raise LakeError(f"{lake.uri} has no trading calendar, which `stockstream run` brings: run that first")
    checksum = hashlib.sha256(calendar.data).hexdigest()
    written: dict[str, Any] = {}

    def make(before: Manifest) -> Manifest | None:
        written.clear()
        wanted = {
            name: made_from
            for name in intervals
            if (made_from := derived.checkpoint(before, *SQL, calendar=checksum))
            != before.table(f"bars_{name}").made_from
        }
        if not wanted:
            return None
        with ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = {name: pool.submit(_one, lake, before, name, intervals[name], made_from) for name in wanted}
            tables = {f"bars_{name}": job.result() for name, job in jobs.items()}
        written.update({name: report for name, (_, report) in tables.items()})
        made = {name: table for name, (table, _) in tables.items()}
        return before.model_copy(update={"tables": {**before.tables, **made}, "inputs": (), "restores": None})

    made = publish(lake, "resample", make)
    return {"generation": made.generation if made else None, "tables": written if made else {}}


def every(interval: str) -> str:
    """Give what `resample()` in SQL takes for an interval: 3 for 3d, week for weekly.

    Raises:
        UsageError: it is no interval.
    """
    if interval in CALENDAR:
        return CALENDAR[interval]
    if interval.endswith("d") and interval[:-1].isdecimal() and 2 <= int(interval[:-1]) <= 1000:
        return interval[:-1]
    raise UsageError(f"{interval} is no interval: write 3d (2d to 1000d), weekly or monthly")


def _one(
    lake: Lake, before: Manifest, name: str, every: str, made_from: dict[str, str]
) -> tuple[Table, dict[str, Any]]:
    """Make one interval's table; of what is there keep base, unless it was made of another base."""
    bars, held = before.table("bars"), before.table(f"bars_{name}")
    whole = derived.is_whole(held, made_from)
    with session_at(lake, before, no_files, *STEPS) as con, staging() as folder:
        set_variable(con, "every", every)
        through = _last_bucket(con, bars) if whole else held.through
        _resample(con, BEGINNING if whole or through is None else through, () if whole else bars.restated)
        set_variable(con, "restated", bars.restated)
        finished = f"ends_on <= DATE '{through}'" if through else "false"
        in_base = f"{finished} AND NOT list_contains(getvariable('restated'), symbol)" if whole else None
        base, delta = derived.write(con, lake, folder, before, f"bars_{name}", "resampled_bars", in_base, ROW_GROUP)
    table = Table(
        base=base, delta=delta, restated=bars.restated, through=through, made_from=made_from, sql=sql_versions(*SQL)
    )
    return table, derived.report(table, whole)


def _last_bucket(con: DuckDBPyConnection, bars: Table) -> date | None:
    """Give the last day of the newest bucket kept in base: its bars can change only with their symbol's past."""
    if bars.through is None or bars.stable_through is None:
        return None
    set_variable(con, "through", bars.through)
    set_variable(con, "stable_through", bars.stable_through)
    row = con.execute(load("steps/last_bucket").text).fetchone()
    return row[0] if row else None


def _resample(con: DuckDBPyConnection, since: date, restated: Sequence[str]) -> None:
    """Make the table `resampled_bars`: of the days after `since`, and of all days of the restated symbols."""
    set_variable(con, "since", since)
    set_variable(con, "restated", restated)
    con.execute(load("steps/resample").text)
