"""The application of the command line: its commands, and what happens before and after each of them."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Annotated

import typer

from stockstream.analytics.cli.endings import log_end, print_line
from stockstream.analytics.cli.registry import Commands
from stockstream.sql.errors import ExitCode, LakeWarning, UsageError

OLD_NAMES = {
    "start-date": "start",
    "end-date": "end",
    "maintenance": "maintenance-margin",
    "directory": "listings",
}
"""Current name per former name of an option or an option's value. All commands accept them; no help shows them."""

app = typer.Typer(
    name="stockstream",
    cls=Commands,
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
        from importlib.metadata import version

        print(f"stockstream {version('stock-stream')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A lake of stock bars, fetched daily, stored as Parquet, queried in place with DuckDB."""


def _prepare() -> None:
    """Check the settings and start logging, when the command line has been parsed.

    Raises:
        UsageError: a setting is wrong, or a variable looks like a setting and is none.
    """
    from stockstream.analytics.cli.logs import start_logging  # these import pydantic and rich: the help needs neither
    from stockstream.pipeline.configuration import unknown_variables

    if message := unknown_variables():
        raise UsageError(message)
    start_logging()


def run() -> None:
    """Run the command of the command line.

    A command that succeeds although a file of the lake is left out exits with the code of a partial result.
    """
    is_partial = False

    def show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        nonlocal is_partial
        is_partial = is_partial or issubclass(category, LakeWarning)
        log_end(logging.WARNING, str(message))
        print_line(f"warning: {message}")

    warnings.showwarning = show_warning
    try:
        app(prog_name="stockstream", obj=_prepare)
    except SystemExit as end:
        if is_partial and not end.code:
            sys.exit(ExitCode.PARTIAL)
        raise
