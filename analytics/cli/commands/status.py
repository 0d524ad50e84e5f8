"""`stockstream status`: prints what a lake holds."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer
from duckdb import DuckDBPyConnection

from stockstream.analytics.cli.options import AsOfOption, JsonOption, LakeOption, existing_lake
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.cli.temporary import left_behind
from stockstream.analytics.cli.thresholds import Thresholds, read_thresholds
from stockstream.analytics.session import generation_of, warn_of_missing
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import FINAL_AFTER, Market
from stockstream.sql.errors import ExitCode
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
COUNTS = """
    WITH present AS (
        SELECT
            symbol,
            bool_or(date = DATE '{session}') AS is_up_to_date,
            bool_or(date = DATE '{last}') AS has_last
        FROM bars GROUP BY symbol
    ),
    expected AS (
        SELECT symbol FROM symbols UNION ALL SELECT symbol FROM present WHERE NOT EXISTS (FROM symbols)
    )
    SELECT
        (SELECT count(*) FROM gaps),
        (SELECT count(*) FROM present WHERE is_up_to_date),
        (SELECT count(*) FROM expected),
        (SELECT count(*) FROM expected WHERE symbol NOT IN (SELECT symbol FROM present WHERE has_last))
"""
"""One row: gaps, symbols with the newest session, symbols that are expected, and those of them without `last_date`."""


@command("status", Panel.QUERY, 30)
def status_command(
    lake: LakeOption = None,
    as_of: AsOfOption = None,
    max_age: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Fail if a session that the lake has no bar of is final for longer: 2d, 36h."),
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT",
            help="Fail if more of the listed symbols have no bar of the lake's newest session: 5%. "
            "Without a list of companies, of all symbols.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print what the lake holds: symbols, bars, dates, gaps and unreadable files.

    Exit codes: 0; 1 a limit of --max-age or --missing is exceeded, or cannot be compared; 3 a file cannot be read.
    Weekends and holidays do not count as age.

    Example: stockstream status --lake s3://bucket/prefix --max-age 2d --missing 5% --json
    """
    limits = read_thresholds(max_age, missing)
    opened = existing_lake(lake)
    now = datetime.now(UTC)
    answer = lake_status(opened, generation_of(opened.uri, as_of), now) | {"leftovers": left_behind(opened)}
    exceeded = limits.exceeded(answer, now)
    if as_json:
        print(json.dumps(answer | {"exceeded": exceeded}, default=str))
    else:
        _show(Screen(), answer, exceeded, limits)
    if exceeded:
        raise typer.Exit(ExitCode.FAILED)


def _show(out: Screen, answer: dict[str, Any], exceeded: list[str], limits: Thresholds) -> None:
    if leftovers := answer["leftovers"]:
        more = f" and {len(leftovers) - 1} more (--json lists them)" if len(leftovers) > 1 else ""
        out.print(
            f"left over   {leftovers[0]}{more}, of killed processes: `stockstream vacuum --delete` deletes old ones"
        )
    if not answer["batch_files"] and not answer["bars"]:
        out.print(f"{answer['lake']} holds no bars yet: `stockstream run` fills it", markup=False)
    else:
        _show_contents(out, answer)
    for reason in exceeded:
        out.print(f"exceeded    {reason}", markup=False)
    if limits.names and not exceeded:
        out.print(f"within      {' and '.join(limits.names)}")


def _show_contents(out: Screen, answer: dict[str, Any]) -> None:
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


def lake_status(lake: Lake, generation: int | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Return the status of a lake: the columns of the view `lake_status()` and the keys below.

    `market` is its name, `last_session` the newest complete session, `up_to_date` the number of symbols with a bar of
    that session, `gaps` the number of missing bars; `steps` has one dict per step: step, symbols, through, behind.
    `lacking_since` is when the bars of the first session after `last_date` became final (UTC; None: there is none yet),
    `missing` the number of the `expected` symbols that have no bar of `last_date`; `expected` are those of the newest
    list of companies, or all. `now` is the clock (aware; the present by default).

    Raises:
        LakeError: the lake, its calendar or its list of companies cannot be read.
    """
    market, now = lake.market(), now or datetime.now(UTC)
    with explained(lake.uri), connect(lake.uri, generation=generation) as con:
        warn_of_missing(con, lake.uri)
        relation = con.sql("FROM lake_status()")
        answer: dict[str, Any] = dict(zip(relation.columns, relation.fetchall()[0], strict=True))
        answer["market"] = market.name if market else None
        last: date | None = answer["last_date"]
        answer["last_session"], answer["lacking_since"] = _sessions(con, market, now, last) if market else (None, None)
        answer["gaps"], answer["up_to_date"], answer["expected"], answer["missing"] = con.sql(
            COUNTS.format(session=answer["last_session"] or "0001-01-01", last=last or "0001-01-01")
        ).fetchall()[0]
        names = ("step", "symbols", "through", "behind")
        answer["steps"] = [dict(zip(names, row, strict=True)) for row in con.sql(STEPS).fetchall()]
    if market is None and (answer["batch_files"] or answer["generation"]):
        warnings.warn(lake.without_marker("is gone"), LakeWarning, stacklevel=2)
    return answer


def _sessions(
    con: DuckDBPyConnection, market: Market, now: datetime, last: date | None
) -> tuple[date, datetime | None]:
    """Return the newest session whose bar is final, and since when that of the first one after `last` is.

    Both are from the lake's calendar. Only if that ends before today, they are computed from the exchange's rules,
    whose import takes a second.
    """
    today = market.today(now)
    closed = (now.astimezone(UTC) - FINAL_AFTER).replace(tzinfo=None)
    final = f"date <= DATE '{today}' AND close_utc <= TIMESTAMP '{closed}'"
    ((session, close, through),) = con.execute(
        f"SELECT max(date) FILTER (WHERE {final}),"
        f" min(close_utc) FILTER (WHERE {final} AND date > DATE '{last or today}'), max(date) FROM sessions"
    ).fetchall()
    if session is not None and through is not None and through >= today:
        return session, close.replace(tzinfo=UTC) + FINAL_AFTER if close else None
    return market.complete_through(today, now), market.final_after(last or today, now)
