"""Registration of commands: the module of a command declares its name, its panel in the help and its place there."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

from stockstream.sql.errors import UsageError, did_you_mean


class Panel(Enum):
    """The panels of `stockstream --help`, in order."""

    PIPELINE = "Pipeline"
    QUERY = "Query"
    ANALYSIS = "Indicators and backtests"
    UPKEEP = "Upkeep"


@dataclass(frozen=True)
class _Entry:
    name: str
    panel: Panel
    place: int
    target: Callable[..., Any] | typer.Typer

    @property
    def order(self) -> tuple[int, int]:
        return list(Panel).index(self.panel), self.place


_entries: dict[str, _Entry] = {}

Target = TypeVar("Target", bound=Callable[..., Any] | typer.Typer)


def command(name: str, panel: Panel, place: int) -> Callable[[Target], Target]:
    """Register a function as `stockstream NAME`, or a Typer app as the group of commands `stockstream NAME …`.

    `place` is the sort key of the command within its panel; gaps between the numbers are allowed.

    Raises:
        ValueError: another command has this name, or this place in the panel.
    """

    def register(target: Target) -> Target:
        entry = _Entry(name, panel, place, target)
        if any(name == other.name or entry.order == other.order for other in _entries.values()):
            raise ValueError(f"{name}: another command has this name, or place {place} in the panel {panel.value}")
        _entries[name] = entry
        return target

    return register


def add_commands(app: typer.Typer, package: ModuleType) -> None:
    """Import the modules of a package, and add the commands that they register to an app, by panel and place."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    for entry in sorted(_entries.values(), key=lambda entry: entry.order):
        if isinstance(entry.target, typer.Typer):
            for inner in entry.target.registered_commands:
                inner.cls = _Command
            app.add_typer(entry.target, name=entry.name, rich_help_panel=entry.panel.value)
        else:
            app.command(entry.name, cls=_Command, rich_help_panel=entry.panel.value)(entry.target)


class _Command(TyperCommand):
    """A command that refuses an option that stands twice.

    For a mistyped choice it suggests the most similar value; Typer only does so for names of options.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # pydantic's, which Typer passes on
            if match := re.search(r"'(.*)' is not one of (.+)\.$", error.message):
                error.message += did_you_mean(match[1], re.findall(r"'([^']+)'", match[2])).replace("; did", " Did")
            raise

    def make_parser(self, ctx: Any) -> Any:
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_once(args: list[str]) -> Any:
            values, rest, order = parse(args=args)
            for parameter in dict.fromkeys(order):
                is_single = parameter.param_type_name == "option" and not parameter.multiple
                if is_single and order.count(parameter) > 1 and not ctx.resilient_parsing:
                    raise UsageError(f"{max(parameter.opts, key=len)} stands on the command line twice: write it once")
            return values, rest, order

        parser.parse_args = parse_once  # type: ignore[method-assign]
        return parser

    def invoke(self, ctx: Any) -> Any:
        if ctx.obj is not None:
            ctx.obj()  # what `main` does before a command runs, but not before its help
        return super().invoke(ctx)
