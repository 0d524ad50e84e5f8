"""`stockstream reconcile`: compare the lake's bars with another source of the same bars."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from duckdb import DuckDBPyConnection

from stockstream.analytics.cli.commands.run import (
    AggregateOption,
    ColumnOption,
    DateFormatOption,
    DecimalOption,
    DeriveOption,
    PricesOption,
    SymbolsOption,
    files_options,
)
from stockstream.analytics.cli.options import (
    JsonOption,
    LakeOption,
    check_range,
    day_option,
    existing_lake,
    market_of,
    progress,
)
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.reconciliation import Days, LakeSide, Limits, Reconciliation, Side, SourceSide, reconcile
from stockstream.pipeline.sources import ADDED, NAMES, SUMMARIES, open_source
from stockstream.sql.errors import ExitCode, UsageError
from stockstream.sql.session import explained, quoted

EXIT_CODES = {"equal": ExitCode.COMPLETE, "different": ExitCode.FAILED, "partial": ExitCode.PARTIAL}
SHOWN = 20
"""Maximum number of symbols printed."""
BAD = "verdict NOT IN ('equal', 'within_tolerance')"


@command("reconcile", Panel.UPKEEP, 15)
def reconcile_command(
    other: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="SOURCE|LAKE",
            help="The other source: polygon, files:PATH or another source of `run`, or a lake (folder or s3://…).",
        ),
    ],
    lake: LakeOption = None,
    symbols: SymbolsOption = None,
    start: Annotated[date | None, day_option("--start", "First day.", default="all days")] = None,
    end: Annotated[date | None, day_option("--end", "Last day.", default="all days")] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="Largest difference of prices, in ticks.")] = 1.0,
    tick: Annotated[
        float | None,
        typer.Option(min=0, help="Size of a tick.", show_default="last digit of the coarser prices, at most 0.01"),
    ] = None,
    volume_tolerance: Annotated[
        float, typer.Option(min=0, help="Largest difference of volumes, as a share: 0.01 is one per cent.")
    ] = 0.01,
    prices: PricesOption = None,
    column: ColumnOption = None,
    derive_actions: DeriveOption = False,
    date_format: DateFormatOption = None,
    decimal: DecimalOption = None,
    aggregate: AggregateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the lake's bars with another source; store the differences in the table `reconciled`.

    Prices are compared as traded on their day. Exit code 1 if a symbol differs, 3 if one could not be compared.

    Example: stockstream reconcile --with files:bars.csv --prices as-traded --tolerance 2
    """
    check_range(start, end)
    if tick == 0:
        raise UsageError("--tick 0: write the size of a tick, e.g. 0.01")
    opened = existing_lake(lake)
    days = Days(start or Days.first, end or Days.last)
    options = files_options(prices, column, derive_actions, date_format, decimal, aggregate)
    with _side(other, opened, options) as side:
        if isinstance(side, SourceSide):  # the bar of an open session is compared with nothing
            market = market_of(opened, None)
            now = datetime.now(UTC)
            days = Days(days.first, min(days.last, market.complete_through(market.today(now), now)))
            check_range(days.first, days.last)
        with progress(f"comparing with {other}") as on_symbols:
            result = reconcile(opened, side, days, symbols, Limits(tolerance, tick, volume_tolerance), on_symbols)
    with explained(opened.uri), opened.session() as con:
        report = _report(con, result)
    if as_json:
        print(json.dumps(report))
    else:
        _show(report)
    raise typer.Exit(EXIT_CODES[result.status])


def _side(other: str, lake: Lake, options: dict[str, Any]) -> Side:
    """Open the other side: a source by its name, otherwise a lake."""
    if other.partition(":")[0] in {syntax.partition(":")[0] for syntax in (*SUMMARIES, *ADDED)}:
        return SourceSide(open_source(other, market_of(lake, None), settings(), **options), other)
    if not other.startswith("s3://") and not Path(other).expanduser().is_dir():
        raise UsageError(f"--with {other}: neither a source ({NAMES}) nor the folder of a lake")
    theirs = Lake(other if other.startswith("s3://") else str(Path(other).expanduser().resolve()))
    if theirs.uri in (lake.uri, str(Path(lake.uri).resolve())):
        raise UsageError(f"--with {other} is the lake itself: name another one")
    return LakeSide(theirs)


def _report(con: DuckDBPyConnection, result: Reconciliation) -> dict[str, Any]:
    """Return the result as JSON: counts, and one row per symbol that differs or could not be compared."""
    rows = con.sql(
        "SELECT symbol, verdict, date::VARCHAR AS first_date, through::VARCHAR AS last_date, bars_here, bars_there,"
        " bars_both, missing_here, missing_there, shifted, ratio, prices, volumes, actions, max_ticks, detail"
        f" FROM reconciled_symbols WHERE other = {quoted(result.other)} AND compared_at >= {quoted(result.began)}"
        f" AND {BAD} ORDER BY symbol"
    )
    return {
        "lake": result.lake,
        "other": result.other,
        "status": result.status,
        "prices": "as traded",
        "generation": result.generation,
        "symbols": result.verdicts.total(),
        "verdicts": dict(sorted(result.verdicts.items())),
        "differences": [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()],
        "unread": {"values": result.losses.number_of_cells, "first": result.losses.cells},
        "notes": result.notes,
    }


def _show(report: dict[str, Any]) -> None:
    """Print the report as text: one line per symbol that differs, then the counts."""
    out = Screen()
    width = max([6, *(len(row["symbol"]) for row in report["differences"][:SHOWN])])
    for row in report["differences"][:SHOWN]:
        out.print(f"{row['symbol']:<{width}}  {row['verdict']:<14}  {_described(row)}".rstrip())
    if len(report["differences"]) > SHOWN:
        out.print(f"and {len(report['differences']) - SHOWN:,} more: `FROM reconciled_symbols` has all")
    if report["unread"]["values"]:
        first = "; ".join(report["unread"]["first"])
        out.print(f"unread     {report['unread']['values']:,} values of {report['other']}, the first: {first}")
    for note in report["notes"]:
        out.print(f"note       {note}")
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in report["verdicts"].items())
    out.print(f"{report['status']}   {report['symbols']:,} symbols: {counts}; prices as traded")
    out.print(f"generation {report['generation']}: `FROM reconciled` has every difference")


def _described(row: dict[str, Any]) -> str:
    kinds = ("missing_here", "missing_there", "shifted", "ratio", "prices", "volumes", "actions")
    counts = [f"{row[kind]:,} {kind.replace('_', ' ')}" for kind in kinds if row[kind]]
    texts = [", ".join(counts) or f"{row['bars_both']:,} bars in both", row["detail"]]
    return "; ".join(text for text in texts if text)
