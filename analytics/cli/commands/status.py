"""`stockstream status`: prints what a lake holds."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, date, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from stockstream.analytics.cli.options import AsOfOption, JsonOption, LakeOption, existing_lake
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.cli.temporary import left_behind
from stockstream.analytics.session import generation_of, warn_of_missing
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import FINAL_AFTER, Market
from stockstream.sql.session import LakeWarning, connect, explained

STEPS = """
    SELECT
        step,
        count(*) AS symbols,
        max(w.last_date) AS through,
        (SELECT count(*) FROM watermarks WHERE step = 'fetch')
            - count(*) FILTER (WHERE w.last_date >= f.last_date) AS behind
    FROM watermarks AS w
    JOIN (SELECT symbol, last_date FROM watermarks WHERE step = 'fetch') AS f ON f.symbol = w.symbol
    GROUP BY step
    ORDER BY CASE step WHEN 'fetch' THEN 0 WHEN 'consolidate' THEN 1 ELSE 2 END, length(step), step
"""
"""One row per step. `behind` is the number of symbols whose newest bar the step has not processed yet."""


@command("status", Panel.QUERY, 30)
def status_command(lake: LakeOption = None, as_of: AsOfOption = None, as_json: JsonOption = False) -> None:
    """Print what the lake holds: symbols, bars, dates, gaps and unreadable files.

    Example: stockstream status --lake s3://bucket/prefix --json
    """
    opened = existing_lake(lake)
    answer = lake_status(opened, generation_of(opened.uri, as_of)) | {"leftovers": left_behind(opened)}
    if as_json:
        print(json.dumps(answer, default=str))
        return
    out = Screen()
    if leftovers := answer["leftovers"]:
        more = f" and {len(leftovers) - 1} more (--json lists them)" if len(leftovers) > 1 else ""
        out.print(
            f"left over   {leftovers[0]}{more}, of killed processes: `stockstream vacuum --delete` deletes old ones"
        )
    if not answer["batch_files"] and not answer["bars"]:
        out.print(f"{answer['lake']} holds no bars yet: `stockstream run` fills it", markup=False)
        return
    out.print(f"lake        {answer['lake']} ({answer['market'] or 'no market'})", markup=False)
    out.print(f"listed      {answer['listed']} companies on {answer['listed_on'] or 'no list yet'}")
    out.print(
        f"bars        {answer['bars']:,} of {answer['symbols']} symbols, "
        f"{answer['first_date']} to {answer['last_date']}"
    )
    out.print(f"up to date  {answer['up_to_date']} symbols have the last session, {answer['last_session']}")
    out.print(f"gaps        {answer['gaps']:,} sessions without a bar inside a symbol's history")
    out.print(f"pending     {answer['unsettled']} rows without a close yet")
    out.print(f"files       {answer['batch_files']} batch files, {answer['unreadable_files']} unreadable")
    out.print(f"last fetch  {answer['last_fetch']}")
    out.print(f"silver      generation {answer['generation']}, {answer['fresh_files']} batch files newer than it")
    for table in answer["stale_tables"]:
        out.print(f"stale       {table['name']}: {table['reason']} (`stockstream run` computes it)", markup=False)
    for step in answer["steps"]:
        behind = f", {step['behind']} symbols behind" if step["behind"] else ""
        out.print(f"            {step['step']}: {step['symbols']} symbols through {step['through']}{behind}")


def lake_status(lake: Lake, generation: int | None = None) -> dict[str, Any]:
    """Return the status of a lake: the columns of the view `lake_status()` and the keys below.

    `market` is its name, `last_session` the newest complete session, `up_to_date` the number of symbols with a bar of
    that session, `gaps` the number of missing bars; `steps` has one dict per step: step, symbols, through, behind.

    Raises:
        LakeError: the lake, its calendar or its list of companies cannot be read.
    """
    market = lake.market()
    with explained(lake.uri), connect(lake.uri, generation=generation) as con:
        warn_of_missing(con, lake.uri)
        relation = con.sql("FROM lake_status()")
        answer: dict[str, Any] = dict(zip(relation.columns, relation.fetchall()[0], strict=True))
        answer["market"] = market.name if market else None
        answer["last_session"] = session = _last_session(con, market, datetime.now(UTC)) if market else None
        answer["gaps"], answer["up_to_date"] = con.sql(
            "SELECT (SELECT count(*) FROM gaps),"
            f" (SELECT count(*) FROM bars WHERE date = DATE '{session or '0001-01-01'}')"
        ).fetchall()[0]
        names = ("step", "symbols", "through", "behind")
        answer["steps"] = [dict(zip(names, row, strict=True)) for row in con.sql(STEPS).fetchall()]
    if market is None and (answer["batch_files"] or answer["generation"]):
        warnings.warn(lake.without_marker("is gone"), LakeWarning, stacklevel=2)
    return answer


def _last_session(con: DuckDBPyConnection, market: Market, now: datetime) -> date | None:
    """Return the newest session whose bar is final, from the lake's calendar.

    Only if that ends before today, it is computed from the exchange's rules, whose import takes a second.
    """
    today = market.today(now)
    closed = (now - FINAL_AFTER).replace(tzinfo=None)
    ((session, through),) = con.execute(
        f"SELECT max(date) FILTER (WHERE date <= DATE '{today}' AND close_utc <= TIMESTAMP '{closed}'), max(date)"
        " FROM sessions"
    ).fetchall()
    return session if through is not None and through >= today else market.complete_through(today, now)
