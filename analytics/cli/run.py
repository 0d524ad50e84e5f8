"""`stockstream run`, `backfill` and `demo`: the pipeline from the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stockstream.analytics.cli.metadata import show_metadata
from stockstream.analytics.cli.options import JsonOption, LakeOption, day_of, lake_uri, market_of
from stockstream.analytics.cli.silver import show_consolidated, show_refreshed, show_resampled
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.run import Result
from stockstream.pipeline.run import run as run_pipeline
from stockstream.pipeline.sources import HELP as SOURCES_HELP
from stockstream.pipeline.sources import open_source
from stockstream.sql.errors import UsageError

EXIT_CODES = {"complete": 0, "failed": 1, "partial": 3}
SHOWN = 10

SourceOption = Annotated[str | None, typer.Option(help=SOURCES_HELP, show_default="$STOCKSTREAM_SOURCE or yahoo")]
MarketOption = Annotated[
    str | None, typer.Option(help="ASX or US.", show_default="the lake's, or $STOCKSTREAM_MARKET or ASX")
]
SymbolsOption = Annotated[
    str | None, typer.Option(help="Only these, separated by commas.", show_default="all listed companies")
]
DateOption = Annotated[
    str | None, typer.Option(help="The run's day, YYYY-MM-DD.", show_default="today on the exchange")
]
PricesOption = Annotated[
    str,
    typer.Option(
        help="files: prices are as-traded, adjusted (for splits up to the newest bar) or adjusted:YYYY-MM-DD."
    ),
]
ColumnOption = Annotated[
    list[str] | None, typer.Option("--column", help="files: what a column is called, e.g. close=Last. May be repeated.")
]
DeriveOption = Annotated[
    bool, typer.Option("--derive-actions", help="files: tell dividends and splits from the adjusted close.")
]
SmallerOption = Annotated[
    bool, typer.Option("--accept-smaller", help="Take a directory that lost more than 10 % of its companies.")
]
BatchOption = Annotated[int | None, typer.Option(min=1, help="Symbols a batch.", show_default="100")]


def run(
    lake: LakeOption = None,
    source: SourceOption = None,
    market: MarketOption = None,
    symbols: SymbolsOption = None,
    date: DateOption = None,
    start: Annotated[
        str | None,
        typer.Option(help="First day of a new symbol's history.", show_default="$STOCKSTREAM_START or 2000-01-01"),
    ] = None,
    prices: PricesOption = "adjusted",
    column: ColumnOption = None,
    derive_actions: DeriveOption = False,
    accept_smaller: SmallerOption = False,
    batch_size: BatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch what the lake does not hold yet: the daily pipeline, in one process.

    Example: stockstream run --source yahoo --symbols BHP,CBA --start 2020-01-01
    """
    _execute(
        lake,
        source,
        market,
        as_json,
        files=_files_options(prices, column, derive_actions),
        symbols=_symbols(symbols),
        day=day_of("--date", date),
        start=day_of("--start", start),
        accept_smaller=accept_smaller,
        batch_size=batch_size,
    )


def backfill(
    start: Annotated[str, typer.Option(help="First day, YYYY-MM-DD.")],
    end: Annotated[str | None, typer.Option(help="Last day, YYYY-MM-DD.", show_default="the last session")] = None,
    lake: LakeOption = None,
    source: SourceOption = None,
    market: MarketOption = None,
    symbols: SymbolsOption = None,
    prices: PricesOption = "adjusted",
    column: ColumnOption = None,
    derive_actions: DeriveOption = False,
    accept_smaller: SmallerOption = False,
    batch_size: BatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a range of days for every symbol, whatever the lake holds already.

    Example: stockstream backfill --start 2015-01-01 --source files:my-bars.csv --prices as-traded
    """
    first, last = day_of("--start", start), day_of("--end", end or "9999-12-31")
    if first and last and last < first:
        raise UsageError(f"--end {last} is before --start {first}")
    _execute(
        lake,
        source,
        market,
        as_json,
        files=_files_options(prices, column, derive_actions),
        symbols=_symbols(symbols),
        start=first,
        end=last,
        accept_smaller=accept_smaller,
        batch_size=batch_size,
    )


def demo(lake: LakeOption = "demo-lake", as_json: JsonOption = False) -> None:
    """Make a lake of real bars without network: five companies, 2000 to 2013, and query it.

    Example: stockstream demo
    """
    from stockstream.analytics.demo import show

    _execute(lake, "demo", "US", as_json, after=show)


def _execute(
    lake: str | None,
    source: str | None,
    market_name: str | None,
    as_json: bool,
    files: dict[str, Any] | None = None,
    after: Callable[[str], None] = lambda lake: None,
    **asked: Any,
) -> None:
    """Run the pipeline with a progress bar on standard error (which a pipe or a log does not see); print, exit."""
    opened_lake = Lake(lake_uri(lake))
    market = market_of(opened_lake, market_name)
    opened = open_source(source or settings().source, market, settings(), **(files or {}))
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )

    def interrupted(*_: object) -> None:
        # At once, whatever the batches are waiting for: nothing is lost by it.
        bar.stop()
        print("interrupted: what was stored stays, the same command goes on from there", file=sys.stderr)
        os._exit(130)

    signal.signal(signal.SIGINT, interrupted)
    with bar:
        task = bar.add_task(f"{opened.name}: symbols", total=None)
        result = run_pipeline(
            opened_lake,
            opened,
            market,
            on_start=lambda symbols: bar.update(task, total=symbols),
            on_symbols=lambda count: bar.advance(task, count),
            on_step=lambda step: bar.update(task, description=step),
            **asked,
        )
    if as_json:
        print(json.dumps(result))
    else:
        show_result(result)
        after(opened_lake.uri)
    raise typer.Exit(EXIT_CODES[result["status"]])


def show_result(result: Result) -> None:
    """Print what a run did, for a person."""
    out = Console(soft_wrap=True, highlight=False)
    directory = result["directory"]
    if directory and directory["refused"]:
        out.print(
            f"directory refused: {directory['refused']}; the list of {directory['listOf']} was used", markup=False
        )
    elif directory:
        changes = f", {len(directory['added'])} added, {len(directory['removed'])} removed"
        out.print(f"directory  {directory['count']} companies ({directory['directory']}){changes}")
    out.print(f"symbols    {result['symbols']} in {result['batches']} batches, {result['upToDate']} up to date already")
    dates = f", {result['firstDate']} to {result['lastDate']}" if result["rows"] else ""
    out.print(f"stored     {result['rows']:,} rows in {len(result['files'])} files{dates}")
    if result["openSession"]:
        out.print(f"held back  {result['openSession']} bars of a session that is still open")
    out.print(f"missing    {len(result['missing'])} symbols")
    for item in result["missing"][:SHOWN]:
        out.print(f"           {item['symbol']}: {item['reason']}", markup=False)
    if len(result["missing"]) > SHOWN:
        out.print(f"           and {len(result['missing']) - SHOWN} more: --json lists all")
    if "metadata" in result and result["metadata"]["lists"]:
        show_metadata(out, result["metadata"])
    if "consolidate" in result:
        show_consolidated(out, result["consolidate"])
    if "resample" in result:
        show_resampled(out, result["resample"])
    if "indicators" in result:
        show_refreshed(out, result["indicators"])
    if result["refused"]:
        out.print(f"refused    {result['refused']}", markup=False)
    out.print(f"{result['status']}   {result['lake']}, {result['source']}, {result['seconds']} s", markup=False)


def _symbols(text: str | None) -> list[str] | None:
    if text is None:
        return None
    symbols = [symbol.strip().upper() for symbol in text.split(",") if symbol.strip()]
    wrong = [symbol for symbol in symbols if not re.fullmatch(r"[A-Z0-9][A-Z0-9.\-]{0,11}", symbol)]
    if wrong or not symbols:
        raise UsageError(f"--symbols {text}: {wrong[0] if wrong else 'nothing'} is no symbol; write e.g. BHP,CBA")
    return symbols


def _files_options(prices: str, column: list[str] | None, derive_actions: bool) -> dict[str, Any]:
    if wrong := [pair for pair in column or [] if "=" not in pair]:
        raise UsageError(f"--column {wrong[0]}: write ours=theirs, e.g. close=Last")
    columns = dict(pair.split("=", 1) for pair in column or [])
    return {"prices": prices, "columns": columns, "derive_actions": derive_actions}
