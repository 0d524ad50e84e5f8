"""Options that several commands share: the same names, types and messages everywhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from typer.models import OptionInfo

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import Market, market
from stockstream.sql.errors import UsageError

SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,11}")

OLD_NAMES = {
    "start-date": "start",
    "end-date": "end",
    "maintenance": "maintenance-margin",
    "directory": "listings",
}
"""Current name per former name of an option or an option's value. All commands accept them; no help shows them."""


class Symbols(tuple[str, ...]):
    """The value of an option for symbols: upper case, without duplicates, in the order of the command line."""


def symbols_option(help: str, *, default: str | None = None) -> OptionInfo:
    """Return the option `--symbols` for a parameter of type `Symbols | None`; `default` is the help's text for None."""
    option: OptionInfo = typer.Option(
        "--symbols", parser=parse_symbols, metavar="A,B,…", help=help, show_default=default or False
    )
    return option


def day_option(name: str, help: str, *, default: str | None = None) -> OptionInfo:
    """Return an option for a day, for a parameter of type `date | None`; `default` is the help's text for None."""
    option: OptionInfo = typer.Option(
        name, parser=partial(parse_day, name), metavar="YYYY-MM-DD", help=help, show_default=default or False
    )
    return option


LakeOption = Annotated[
    str | None,
    typer.Option("--lake", help="Folder or s3://bucket/prefix.", show_default="$STOCKSTREAM_LAKE or ./lake"),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(metavar="GENERATION|TIME", help="Read an earlier generation: its number, YYYY-MM-DD or a time (UTC)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
MarketOption = Annotated[
    str | None, typer.Option(help="ASX or US.", show_default="the lake's, or $STOCKSTREAM_MARKET or ASX")
]


def parse_symbols(text: str) -> Symbols:
    """Return the symbols of a text such as `bhp, CBA`.

    Raises:
        UsageError: the text is empty, or one of its parts cannot be a symbol.
    """
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if not SYMBOL.fullmatch(name)]
    if wrong or not names:
        raise UsageError(f"--symbols {text}: {wrong[0] if wrong else 'nothing'} is no symbol; write e.g. BHP,CBA")
    return Symbols(dict.fromkeys(names))


def parse_day(option: str, text: str | date) -> date:
    """Return the date in the text of an option; `option` is its name, for the message.

    Raises:
        UsageError: the text is not of the form YYYY-MM-DD.
    """
    if isinstance(text, date):
        return text
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):  # fromisoformat accepts 20260102 and 2026-W01-5, too
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise UsageError(f"{option} {text}: write a day as YYYY-MM-DD")


def check_range(start: date | None, end: date | None) -> None:
    """Check the days of `--start` and `--end`.

    Raises:
        UsageError: the last day is before the first.
    """
    if start is not None and end is not None and end < start:
        raise UsageError(f"--end {end} is before --start {start}")


def lake_uri(lake: str | None) -> str:
    """Return the URI of the lake: the value of the option if there is one, else that of the setting."""
    return lake or settings().lake_uri


def market_of(lake: Lake, name: str | None) -> Market:
    """Return the market: that of the option if there is one, else that of the lake, else that of the setting."""
    return market(name) if name else lake.market() or market(settings().market)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar, at a terminal only; yield a function that updates it: (done, total) -> None."""
    with progress_bar() as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def progress_bar() -> Progress:
    """Return a progress bar on standard error that is shown at a terminal only."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
