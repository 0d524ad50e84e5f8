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
from stockstream.analytics.cli.signals import stopping_on_signals
from stockstream.pipeline.configuration import unknown_variables
from stockstream.sql.errors import ExitCode, StockStreamError, UsageError
from stockstream.sql.session import LakeWarning

app = typer.Typer(
    name="stockstream",
    epilog="Exit codes: " + "; ".join(f"{int(code)} {code.meaning}" for code in ExitCode) + ".",
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


def _prepare() -> None:
    """Check the settings and start logging, when the command line has been parsed.

    Raises:
        UsageError: a setting is wrong, or a variable looks like a setting and is none.
    """
    if message := unknown_variables():
        raise UsageError(message)
    start_logging()


def main() -> None:
    """Run a command; print a StockStreamError as one line on standard error, and exit with its code.

    A command that succeeds although a file of the lake is left out exits with the code of a partial result.
    """
    out = Console(stderr=True, soft_wrap=True)
    is_partial = False

    def show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        nonlocal is_partial
        is_partial = is_partial or issubclass(category, LakeWarning)
        out.print(f"warning: {message}", markup=False, highlight=False)

    warnings.showwarning = show_warning
    with stopping_on_signals():
        try:
            app(prog_name="stockstream", obj=_prepare)
        except StockStreamError as error:
            out.print(f"error: {error}", markup=False, highlight=False)
            sys.exit(error.exit_code)
        except SystemExit as end:
            if is_partial and not end.code:
                sys.exit(ExitCode.PARTIAL)
            raise
