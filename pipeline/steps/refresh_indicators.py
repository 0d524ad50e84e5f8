"""Step 5: the indicators that are kept ready, from the consolidated bars."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline import derived
from stockstream.pipeline.lake import Lake, no_files
from stockstream.pipeline.manifest import Manifest, Table
from stockstream.pipeline.publish import publish, session_at, sql_versions, staging
from stockstream.sql.compiler import Request, parse, plan
from stockstream.sql.indicator_catalogue import catalogue
from stockstream.sql.indicator_kernels import KERNELS
from stockstream.sql.loader import HOME, load
from stockstream.sql.session import set_variable

logger = logging.getLogger(__name__)

Event = dict[str, Any]

STEP = "steps/indicators"
TABLE = "indicators"
BEGINNING = date(1, 1, 1)
ROW_GROUP = 61_440
SQL = (STEP, "schema/indicators", "views/bars_split_adjusted", "views/split_factors", *KERNELS)
"""What decides the numbers, beside the indicators' files: when one of these changes, everything is made anew."""


def refresh_indicators(event: Event, lake: Lake) -> dict[str, Any]:
    """Publish a generation whose indicators are those of the newest consolidated bars.

    The columns are those of `sql/schema/indicators.sql`. `event`: `full` makes all of them anew; else only the days
    after base, from as many bars before as the indicators look back, and the symbols whose past has changed. Gives
    `{"generation" (None: all was up to date), "rows", "bytes", "whole" (everything was made anew)}`.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    requests = parse(columns(), catalogue())
    files = sorted({f"indicators/{r.indicator.family}/{r.indicator.macro}" for r in requests})
    told: dict[str, Any] = {}

    def make(before: Manifest) -> Manifest | None:
        told.clear()
        made_from = derived.checkpoint(before, *SQL, *files)
        held = before.table(TABLE)
        if not before.table("bars").files or (made_from == held.made_from and not event.get("full")):
            return None
        whole = bool(event.get("full")) or derived.is_whole(held, made_from)
        table = _refreshed(lake, before, requests, whole)
        table = table.model_copy(update={"made_from": made_from, "sql": sql_versions(*SQL, *files)})
        told.update(derived.report(table, whole))
        return before.model_copy(update={"tables": {**before.tables, TABLE: table}, "inputs": (), "restores": None})

    made = publish(lake, TABLE, make)
    return {"generation": made.generation if made else None, **told}


def columns() -> list[str]:
    """Give the names of the columns that are kept ready, beside symbol, date and close."""
    with duckdb.connect() as con:
        return con.sql(f"FROM '{HOME}/schema/{TABLE}.parquet'").columns[3:]


def lookback(requests: list[Request]) -> int:
    """Give how many bars before a day decide the values of columns, without those that are sums since the first bar."""
    with duckdb.connect() as con:
        return max(int(con.execute(f"SELECT {text}").fetchall()[0][0]) for text in _lookbacks(requests))


def _lookbacks(requests: list[Request]) -> set[str]:
    headers = {request.call(""): (request, str(request.indicator.file.header["lookback"])) for request in requests}
    return {f"{text} FROM (SELECT {_numbers(request)})" for request, text in headers.values() if text != "all"}


def _numbers(request: Request) -> str:
    numbers = [f"{text} AS {name}" for name, text in request.arguments if name in request.indicator.periods]
    return ", ".join(numbers) or "1"


def _refreshed(lake: Lake, before: Manifest, requests: list[Request], whole: bool) -> Table:
    bars = before.table("bars")
    through = bars.through or BEGINNING
    with session_at(lake, before, no_files, STEP) as con, staging() as folder:
        since = BEGINNING if whole else through
        _collect(con, since, 0 if whole else lookback(requests), () if whole else bars.restated)
        _compute(con, requests)
        set_variable(con, "restated", bars.restated)
        in_base = f"date <= DATE '{through}' AND NOT list_contains(getvariable('restated'), symbol)" if whole else None
        base, delta = derived.write(con, lake, folder, before, TABLE, "refreshed", in_base, ROW_GROUP)
    return Table(base=base, delta=delta, restated=bars.restated, through=bars.through)


def _collect(con: DuckDBPyConnection, since: date, bars_before: int, restated: tuple[str, ...]) -> None:
    """Make the tables `indicator_bars` and `whole`; see the SQL file."""
    daily = timedelta(days=bars_before * 365 // 240 + 10)  # of who is traded daily
    set_variable(con, "since", since)
    set_variable(con, "cutoff", since if since == BEGINNING else since - daily)
    set_variable(con, "restated", restated)
    set_variable(con, "lookback", bars_before)
    con.execute(load(STEP).text)


def _compute(con: DuckDBPyConnection, requests: list[Request]) -> None:
    """Make the table `refreshed`: of the days after `since`, and of all days of the restated symbols."""
    catalogue().install(con)
    text = plan(con, requests, "indicator_bars", keep=["close"], is_unique=True)
    con.execute(f"CREATE OR REPLACE TEMP TABLE computed AS {text}")
    headers = {request.name: request.indicator.file.header for request in requests}
    carried = [r.name for r in requests if r.column in headers[r.name].get("carried", ())]
    derived_from = {r.name: headers[r.name].get("derived", {}).get(r.column) for r in requests}
    last = ", ".join(f"arg_max({name}, date) AS {name}" for name in carried)
    moved_on = ", ".join(f"c.{name} + coalesce(s.{name} - h.{name}, 0) AS {name}" for name in carried)
    names = [f"{of} AS {name}" if (of := derived_from[name]) else name for name in headers]
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE refreshed AS
        WITH until AS (
            FROM computed WHERE date <= getvariable('since') AND symbol NOT IN (SELECT symbol FROM whole)
        ),
        here AS (SELECT symbol, max(date) AS date, {last} FROM until GROUP BY symbol),
        stored AS (
            SELECT symbol, {", ".join(f"i.{name}" for name in carried)}
            FROM indicators AS i SEMI JOIN here USING (symbol, date)
        ),
        continued AS (
            SELECT c.* EXCLUDE ({", ".join(carried)}), {moved_on}
            FROM computed AS c LEFT JOIN stored AS s USING (symbol) LEFT JOIN here AS h USING (symbol)
            WHERE c.date > getvariable('since') OR list_contains(getvariable('restated'), c.symbol)
        )
        SELECT symbol, date, close, {", ".join(names)} FROM continued
    """)
