"""The options with which commands choose alert rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stockstream.pipeline.alerts.session import Choice
    from stockstream.pipeline.lake import Lake

RulePathOption = Annotated[
    list[Path] | None,
    typer.Option("--sql-path", metavar="PATH", help="File or folder of your own alert rules. May be repeated."),
]
LevelsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="CSV file (symbol,level,note) of prices for the rule `level`.",
        show_default="levels.csv in the lake",
    ),
]


def choice_of(lake: Lake, sql_path: list[Path] | None, levels: Path | None) -> Choice:
    """Return the chosen rules and levels, whose files can be read.

    Raises:
        UsageError: a file or folder does not exist or cannot be read, or the levels have no columns.
    """
    from stockstream.pipeline.alerts.levels import read_levels
    from stockstream.pipeline.alerts.session import Choice

    choice = Choice(tuple(sql_path or ()), levels)
    choice.rules()
    read_levels(lake, levels)
    return choice


def readable_rules(sql_path: list[Path] | None) -> list[str]:
    """Return the files and folders of alert rules, which can be read.

    Raises:
        UsageError: one does not exist or cannot be read.
    """
    if sql_path:
        from stockstream.pipeline.alerts.rules import find_rules  # with yaml and pydantic

        find_rules(*sql_path)
    return [str(path) for path in sql_path or ()]
