"""The command line: one command a module, the same options, messages and exit codes in all of them."""

from __future__ import annotations

import sys
import warnings

import typer
from rich.console import Console

from stockstream.analytics.cli import (
    backtest,
    check,
    history,
    indicators,
    metadata,
    query,
    rollback,
    run,
    shell,
    silver,
    status,
    vacuum,
)
from stockstream.analytics.cli.logs import start_logging
from stockstream.sql.errors import StockStreamError

app = typer.Typer(
    name="stockstream",
    help="A lake of stock bars, fetched daily, stored as Parquet, queried in place with DuckDB.",
    epilog="Exit codes: 0 complete, 1 failed, 2 wrong usage, 3 some symbols missing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("backfill")(run.backfill)
app.command("consolidate")(silver.consolidate)
app.command("resample")(silver.resample)
app.command("metadata")(metadata.metadata)
app.add_typer(indicators.app, name="indicators")
app.command("backtest")(backtest.backtest_command)
app.command("check")(check.check)
app.command("history")(history.history)
app.command("rollback")(rollback.rollback)
app.command("vacuum")(vacuum.vacuum)
app.command("query")(query.query)
app.command("status")(status.status)
app.command("shell")(shell.shell)
app.command("demo")(run.demo)


def main() -> None:
    """Run a command; an error that a person can act on is one line on standard error and an exit code."""
    warnings.showwarning = lambda message, *_: Console(stderr=True, soft_wrap=True).print(
        f"warning: {message}", markup=False
    )
    try:
        start_logging()
        app()
    except StockStreamError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False, highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
