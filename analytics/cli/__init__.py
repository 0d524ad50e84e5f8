"""The command line: `stockstream COMMAND`. Every command has the same options, messages and exit codes.

A command is a module in `commands/`, which is discovered automatically: see `registry.command`.
"""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console

from stockstream.analytics.cli import commands
from stockstream.analytics.cli.logs import start_logging
from stockstream.analytics.cli.options import OLD_NAMES
from stockstream.analytics.cli.registry import add_commands
from stockstream.sql.errors import StockStreamError

app = typer.Typer(
    name="stockstream",
    epilog="Exit codes: 0 complete, 1 failed, 2 wrong usage, 3 some symbols missing.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda name: OLD_NAMES.get(name, name),
    },
)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"stockstream {version('stock-stream')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A lake of stock bars, fetched daily, stored as Parquet, queried in place with DuckDB."""


add_commands(app, commands)


def main() -> None:
    """Run a command; print a StockStreamError as one line on standard error, and exit with its code."""
    warnings.showwarning = lambda message, *_: Console(stderr=True, soft_wrap=True).print(
        f"warning: {message}", markup=False
    )
    try:
        start_logging()
        app(prog_name="stockstream")
    except StockStreamError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False, highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
