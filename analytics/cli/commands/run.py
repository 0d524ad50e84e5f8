"""`stockstream run`, `backfill` and `demo`: run the pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from stockstream.analytics.cli.alert_options import RulePathOption, readable_rules
from stockstream.analytics.cli.commands.metadata import show_metadata
from stockstream.analytics.cli.commands.silver import (
    show_consolidated,
    show_derived,
    show_refreshed,
    show_resampled,
)
from stockstream.analytics.cli.options import (
    JsonOption,
    LakeOption,
    MarketOption,
    Symbols,
    check_range,
    day_option,
    lake_uri,
    market_of,
    progress_bar,
    symbols_option,
)
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.cli.signals import stopping_at_once
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.derived import step_modules
from stockstream.pipeline.events import CheckResult, Result, SendAlertsResult, StepAccountsResult
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.runner import run as run_pipeline
from stockstream.pipeline.sources import HELP as SOURCES_HELP
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps.summarise import quarantine_lines
from stockstream.sql.errors import ExitCode, UsageError

EXIT_CODES = {"complete": ExitCode.COMPLETE, "failed": ExitCode.FAILED, "partial": ExitCode.PARTIAL}
SHOWN = 10
"""Maximum number of missing symbols printed."""

SourceOption = Annotated[str | None, typer.Option(help=SOURCES_HELP, show_default="$STOCKSTREAM_SOURCE or yahoo")]
SymbolsOption = Annotated[Symbols | None, symbols_option("Only these symbols.", default="all listed companies")]
DateOption = Annotated[date | None, day_option("--date", "Day of the run.", default="today on the exchange")]
PricesOption = Annotated[
    str | None,
    typer.Option(
        help="files: prices are as-traded, adjusted (for splits up to the newest bar), adjusted:YYYY-MM-DD or "
        "total-return (for splits and dividends).",
        show_default="adjusted",
    ),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", help="files: name of a column, e.g. close=Last; volume= leaves it out. May be repeated."),
]
DeriveOption = Annotated[
    bool, typer.Option("--derive-actions", help="files: derive dividends and splits from the adjusted close.")
]
DateFormatOption = Annotated[
    str | None,
    typer.Option(
        "--date-format", help="files: D/M/Y, M/D/Y, Y/M/D or a format such as %d.%m.%Y.", show_default="by the data"
    ),
]
DecimalOption = Annotated[
    str | None, typer.Option("--decimal", help="files: the decimal sign, . or a comma.", show_default="by the data")
]
AggregateOption = Annotated[
    bool, typer.Option("--aggregate", help="files: make daily bars of the bars of parts of a day.")
]
SmallerOption = Annotated[
    bool, typer.Option("--accept-smaller", help="Accept a list of companies that lost more than 10 % of them.")
]
BatchOption = Annotated[int | None, typer.Option(min=1, help="Symbols per batch.", show_default="100")]


@command("run", Panel.PIPELINE, 20)
def run_command(
    lake: LakeOption = None,
    source: SourceOption = None,
    market: MarketOption = None,
    symbols: SymbolsOption = None,
    date: DateOption = None,
    start: Annotated[
        date | None,
        day_option("--start", "First day of a new symbol's history.", default="$STOCKSTREAM_START or 2000-01-01"),
    ] = None,
    prices: PricesOption = None,
    column: ColumnOption = None,
    derive_actions: DeriveOption = False,
    date_format: DateFormatOption = None,
    decimal: DecimalOption = None,
    aggregate: AggregateOption = False,
    accept_smaller: SmallerOption = False,
    batch_size: BatchOption = None,
    sql_path: RulePathOption = None,
    serving_file: Annotated[
        bool | None,
        typer.Option(
            "--serving-file/--no-serving-file",
            help="Store the serving file of the new generation in the lake, for `stockstream serve`.",
            show_default="$STOCKSTREAM_SERVING_FILE or not",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the bars that the lake does not hold yet: the daily pipeline, in one process.

    Example: stockstream run --source yahoo --symbols BHP,CBA --start 2020-01-01
    """
    _execute(
        lake,
        source,
        market,
        as_json,
        files=files_options(prices, column, derive_actions, date_format, decimal, aggregate),
        alert_rules=readable_rules(sql_path),
        serving_file=serving_file,
        symbols=symbols,
        day=date,
        start=start,
        accept_smaller=accept_smaller,
        batch_size=batch_size,
    )


@command("backfill", Panel.PIPELINE, 30)
def backfill_command(
    start: Annotated[date, day_option("--start", "First day.")],
    end: Annotated[date | None, day_option("--end", "Last day.", default="the last session")] = None,
    lake: LakeOption = None,
    source: SourceOption = None,
    market: MarketOption = None,
    symbols: SymbolsOption = None,
    prices: PricesOption = None,
    column: ColumnOption = None,
    derive_actions: DeriveOption = False,
    date_format: DateFormatOption = None,
    decimal: DecimalOption = None,
    aggregate: AggregateOption = False,
    accept_smaller: SmallerOption = False,
    batch_size: BatchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a range of days for every symbol, also those that the lake holds already.

    Example: stockstream backfill --start 2015-01-01 --source files:my-bars.csv --prices as-traded
    """
    check_range(start, end)
    _execute(
        lake,
        source,
        market,
        as_json,
        files=files_options(prices, column, derive_actions, date_format, decimal, aggregate),
        symbols=symbols,
        start=start,
        end=end or date.max,
        accept_smaller=accept_smaller,
        batch_size=batch_size,
    )


@command("demo", Panel.PIPELINE, 10)
def demo_command(lake: LakeOption = "demo-lake", as_json: JsonOption = False) -> None:
    """Make a lake of real bars without a network (five companies, 2000 to 2013), and query it.

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
    **arguments: Any,
) -> None:
    """Run the pipeline with a progress bar, print the result, and exit with the code of its status."""
    opened_lake = Lake(lake_uri(lake))
    market = market_of(opened_lake, market_name)
    last = arguments.get("day") or market.today(datetime.now(UTC))
    if (start := arguments.get("start")) is not None and start > last:
        raise UsageError(f"--start {start} is after {last}, the day of the run: no bar could be fetched")
    opened = open_source(source or settings().source, market, settings(), **(files or {}))
    bar = progress_bar()
    # At once, even while batches wait for the source: stored files are always complete, so that nothing is lost.
    message = "the stored bars stay, and the same command continues from there"
    with stopping_at_once(message, bar.stop), bar:
        task = bar.add_task(f"{opened.name}: symbols", total=None)
        result = run_pipeline(
            opened_lake,
            opened,
            market,
            on_start=lambda symbols: bar.update(task, total=symbols),
            on_symbols=lambda count: bar.advance(task, count),
            on_step=lambda step: bar.update(task, description=step),
            **arguments,
        )
    if as_json:
        print(json.dumps(result))
    else:
        show_result(result)
        after(opened_lake.uri)
    raise typer.Exit(EXIT_CODES[result["status"]])


def show_result(result: Result) -> None:
    """Print the result of a run as text."""
    out = Screen()
    listings = result["listings"]
    if listings and listings["refused"]:
        out.print(f"listings refused: {listings['refused']}; the list of {listings['list_of']} was used", markup=False)
    elif listings:
        changes = f", {len(listings['added'])} added, {len(listings['removed'])} removed"
        out.print(f"listings   {listings['count']} companies ({listings['source']}){changes}")
    out.print(
        f"symbols    {result['symbols']} in {result['batches']} batches, {result['up_to_date']} up to date already"
    )
    dates = f", {result['first_date']} to {result['last_date']}" if result["rows"] else ""
    out.print(f"stored     {result['rows']:,} rows in {len(result['files'])} files{dates}")
    if result["open_session"]:
        out.print(f"held back  {result['open_session']} bars of a session that is still open")
    out.print(f"missing    {len(result['missing'])} symbols")
    for item in result["missing"][:SHOWN]:
        out.print(f"           {item['symbol']}: {item['reason']}", markup=False)
    if len(result["missing"]) > SHOWN:
        out.print(f"           and {len(result['missing']) - SHOWN} more: --json lists all")
    if result["quarantined"]:
        total = sum(group["values"] for group in result["quarantined"])
        out.print(f"quarantine {total:,} values that are not used; FROM quarantine lists them")
        for line in quarantine_lines(result["quarantined"])[:SHOWN]:
            out.print(f"           {line}", markup=False)
        if len(result["quarantined"]) > SHOWN:
            out.print(f"           and {len(result['quarantined']) - SHOWN} more reasons: --json lists all")
    for note in result["notes"]:
        out.print(f"note       {note}", markup=False)
    if "metadata" in result and result["metadata"]["lists"]:
        show_metadata(out, result["metadata"])
    if "consolidate" in result:
        show_consolidated(out, result["consolidate"])
    if "resample" in result:
        show_resampled(out, result["resample"])
    if "indicators" in result:
        show_refreshed(out, result["indicators"])
    show_derived(out, {name: result[name] for name in step_modules() if name in result and name != "indicators"})
    if "check" in result:
        show_checked(out, result["check"])
    if "paper" in result:
        show_stepped(out, result["paper"])
    if "alerts" in result:
        show_sent(out, result["alerts"])
    if "serving" in result and (key := result["serving"]["key"]):
        out.print(f"serving    {key}, {result['serving']['bytes'] / 1e6:,.1f} MB", markup=False)
    if result["not_sent"]:
        out.print(f"not sent   {result['not_sent']}; `stockstream alerts send` tries again", markup=False)
    if result["not_stepped"]:
        out.print(f"not stepped {result['not_stepped']}", markup=False)
    if result["stale"]:
        out.print(f"stale      {', '.join(result['stale'])}: older than the bars; the next run computes them")
    if result["refused"]:
        out.print(f"refused    {result['refused']}", markup=False)
    out.print(f"{result['status']}   {result['lake']}, {result['source']}, {result['seconds']} s", markup=False)


def show_checked(out: Screen, result: CheckResult) -> None:
    """Print the findings of the data checks as text."""
    counts = f"{len(result['failed'])} failed, {len(result['warned'])} with warnings"
    out.print(f"checks     {result['checks']}, {counts}")
    for report in [*result["failed"], *result["warned"]]:
        text = f"{report['check']}: {report['bad_rows']:,} bad rows, the first: {report['first']}"
        out.print(f"           {text}", markup=False)


def show_stepped(out: Screen, result: StepAccountsResult) -> None:
    """Print which paper accounts have gone on; nothing about a lake without accounts."""
    for name, one in sorted(result["accounts"].items()):
        if one["sessions"]:
            orders = f", {len(one['orders'])} orders for the next session" if one["orders"] else ""
            out.print(f"paper      {name}: {one['session']}, equity {one['equity']:,.2f}{orders}", markup=False)


def show_sent(out: Screen, result: SendAlertsResult) -> None:
    """Print what was sent over which channel; nothing if no channel is configured."""
    counts = [f"{name} {one['delivered']}" for name, one in result["channels"].items() if one["delivered"]]
    if result["session"]:
        out.print(f"alerts     {result['alerts']} new of {result['session']}; sent: {', '.join(counts) or 'none'}")
    for note in result["notes"]:
        out.print(f"           {note}", markup=False)


def files_options(
    prices: str | None,
    column: list[str] | None,
    derive_actions: bool,
    date_format: str | None,
    decimal: str | None,
    aggregate: bool,
) -> dict[str, Any]:
    """Return the options that describe files, for `open_source`.

    Raises:
        UsageError: a value of `--column` has no equals sign.
    """
    if wrong := [pair for pair in column or [] if "=" not in pair]:
        raise UsageError(f"--column {wrong[0]}: write ours=theirs, e.g. close=Last")
    columns = dict(pair.split("=", 1) for pair in column or [])
    return {
        "prices": prices,
        "columns": columns,
        "derive_actions": derive_actions,
        "date_format": date_format,
        "decimal": decimal,
        "aggregate": aggregate,
    }
