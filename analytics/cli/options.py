"""Options that commands share, so that they are called and mean the same everywhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import Market, market
from stockstream.sql.errors import UsageError

LakeOption = Annotated[
    str | None,
    typer.Option("--lake", help="Folder or s3://bucket/prefix.", show_default="$STOCKSTREAM_LAKE or ./lake"),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(metavar="GENERATION|TIME", help="Read an earlier generation: its number, YYYY-MM-DD or a time (UTC)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def lake_uri(lake: str | None) -> str:
    """Give the lake to use: the option's, else the setting's."""
    return lake or settings().lake_uri


def market_of(lake: Lake, name: str | None) -> Market:
    """Give the market that is asked for, else the lake's own, else the setting's."""
    return market(name) if name else lake.market() or market(settings().market)


def day_of(option: str, text: str | None) -> date | None:
    """Read a day given to an option.

    Raises:
        UsageError: it is no YYYY-MM-DD.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError(f"{option} {text}: write a day as YYYY-MM-DD") from None


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar at a terminal, nothing in a pipe or a log; gives what is to be told how much is done, of how much."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
