"""`stockstream run`, `backfill` and `demo`: run the pipeline."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from stockstream.analytics.cli.alert_options import RulePathOption, readable_rules
from stockstream.analytics.cli.logs import LogFileOption, log_end, log_to
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
from stockstream.analytics.cli.run_reports import NO_REPORTS, RunReports, open_reports
from stockstream.analytics.cli.run_screens import show_result
from stockstream.analytics.cli.signals import stopping_at_once
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.events import Result
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.runner import run as run_pipeline
from stockstream.pipeline.sources import HELP as SOURCES_HELP
from stockstream.pipeline.sources import open_source
from stockstream.sql.errors import ExitCode, UsageError

EXIT_CODES = {"complete": ExitCode.COMPLETE, "failed": ExitCode.FAILED, "partial": ExitCode.PARTIAL}

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
    on_failure: Annotated[
        list[str] | None,
        typer.Option(
            "--on-failure",
            metavar="CHANNEL|COMMAND",
            help="If the run is not complete: email, sns, webhook or log sends what failed; anything else is run by "
            "the shell, with RUN_STATUS (failed, partial), RUN_MESSAGE and the result as JSON on its standard input. "
            "May be repeated.",
        ),
    ] = None,
    log_file: LogFileOption = None,
    metrics_file: Annotated[
        Path | None,
        typer.Option("--metrics-file", metavar="FILE.prom", help="Replace this file by metrics for Prometheus."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the bars that the lake does not hold yet: the daily pipeline, in one process.

    Example: stockstream run --source yahoo --symbols BHP,CBA --start 2020-01-01
    """
    log_to(log_file)
    reports = open_reports(on_failure, metrics_file)
    _execute(
        lake,
        source,
        market,
        as_json,
        files=files_options(prices, column, derive_actions, date_format, decimal, aggregate),
        reports=reports,
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
    reports: RunReports = NO_REPORTS,
    **arguments: Any,
) -> None:
    """Run the pipeline with a progress bar, print the result, and exit with the code of its status."""
    opened_lake = Lake(lake_uri(lake))
    with reports.of_errors(opened_lake.uri):
        result = _run(opened_lake, source, market_name, files or {}, arguments)
    code = EXIT_CODES[result["status"]]
    level = {ExitCode.COMPLETE: logging.INFO, ExitCode.PARTIAL: logging.WARNING}.get(code, logging.ERROR)
    log_end(level, f"run {result['status']}", run=result)
    reports.of_result(result, code)
    if as_json:
        print(json.dumps(result))
    else:
        show_result(result)
        after(opened_lake.uri)
    raise typer.Exit(code)


def _run(
    lake: Lake, source: str | None, market_name: str | None, files: dict[str, Any], arguments: dict[str, Any]
) -> Result:
    market = market_of(lake, market_name)
    last = arguments.get("day") or market.today(datetime.now(UTC))
    if (start := arguments.get("start")) is not None and start > last:
        raise UsageError(f"--start {start} is after {last}, the day of the run: no bar could be fetched")
    opened = open_source(source or settings().source, market, settings(), **files)
    bar = progress_bar()
    # At once, even while batches wait for the source: stored files are always complete, so that nothing is lost.
    message = "the stored bars stay, and the same command continues from there"
    with stopping_at_once(message, bar.stop), bar:
        task = bar.add_task(f"{opened.name}: symbols", total=None)
        return run_pipeline(
            lake,
            opened,
            market,
            on_start=lambda symbols: bar.update(task, total=symbols),
            on_symbols=lambda count: bar.advance(task, count),
            on_step=lambda step: bar.update(task, description=step),
            **arguments,
        )


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
