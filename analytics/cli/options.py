"""Options that several commands share: the same names, types and messages everywhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from typer.models import OptionInfo

from stockstream.analytics.arguments import day_of, lake_of
from stockstream.pipeline.symbols import split_symbols
from stockstream.sql.errors import ArgumentError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from stockstream.pipeline.lake import Lake
    from stockstream.pipeline.markets import Market


class Symbols(tuple[str, ...]):
    """The value of an option for symbols: as on the command line, each once."""


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


def parse_symbols(text: str | Symbols) -> Symbols:
    """Return the symbols of a text such as `bhp, CBA` (see `pipeline.symbols.split_symbols`).

    Raises:
        UsageError: the text is empty, or one of its parts cannot be a symbol.
    """
    return Symbols(split_symbols(text, f"--symbols {text}") if isinstance(text, str) else text)


def parse_day(option: str, text: str | date) -> date:
    """Return the date in the text of an option; `option` is its name, for the message.

    Raises:
        UsageError: the text is not of the form YYYY-MM-DD.
    """
    try:
        return day_of(option, text)
    except ArgumentError as error:
        raise UsageError(str(error)) from None  # Typer shows its usage for an error that is a ValueError


def parse_age(option: str, text: str) -> timedelta:
    """Return the time in the text of an option, such as `7d` or `36h`; `option` is its name, for the message.

    Raises:
        UsageError: the text is no whole number of days or hours, or so many that no calendar has them.
    """
    match = re.fullmatch(r"(\d{1,6})([dh])", text, re.ASCII)
    if match is None:
        raise UsageError(f"{option} {text}: write days or hours, as 7d or 36h")
    return timedelta(hours=int(match[1]) * {"d": 24, "h": 1}[match[2]])


def check_range(start: date | None, end: date | None) -> None:
    """Check the days of `--start` and `--end`.

    Raises:
        UsageError: the last day is before the first.
    """
    if start is not None and end is not None and end < start:
        raise UsageError(f"--end {end} is before --start {start}")


def lake_uri(lake: str | None) -> str:
    """Return the URI of the lake: the value of the option if there is one, else that of the setting.

    Raises:
        UsageError: the value is empty, as that of a shell variable that is not set, or no lake can have this name.
    """
    if lake is not None and not lake.strip():
        raise UsageError("--lake is empty: name a folder or s3://bucket/prefix, or omit it")
    return lake_of(lake)


def existing_lake(lake: str | None) -> Lake:
    """Return the lake of a command that makes none.

    Raises:
        NoLake: there is no lake.
    """
    from stockstream.pipeline.lake import Lake

    return Lake(lake_uri(lake)).require()


def market_of(lake: Lake, name: str | None) -> Market:
    """Return the market: that of the option if there is one, else that of the lake, else that of the setting."""
    from stockstream.pipeline.configuration import settings
    from stockstream.pipeline.markets import market

    return market(name) if name else lake.market() or market(settings().market)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar, at a terminal only; yield a function that updates it: (done, total) -> None."""
    with progress_bar() as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def progress_bar() -> Progress:
    """Return a progress bar on standard error that is shown at a terminal only."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from stockstream.analytics.cli.screen import Screen  # with rich, which takes a tenth of a second to import

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Screen(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
