"""Registration of commands: the module of a command declares its name, its panel in the help and its place there.

The names and the help's first lines are read from the text of the modules, of which only that of the command that runs
is imported: importing all of them takes a second.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from stockstream.analytics.cli.front_page import Box, help_page
from stockstream.sql.errors import UsageError, did_you_mean

PACKAGE = "stockstream.analytics.cli.commands"
WITHOUT_SETTINGS = ("doctor",)
"""Commands that run although a setting is wrong."""
_DECLARATION = re.compile(r'^@?command\("([^"]+)", Panel\.(\w+), (\d+)\)', re.MULTILINE)
_DOCSTRING = re.compile(r'^    """(.+?)(?:\n\n|""")', re.MULTILINE | re.DOTALL)
_GROUP = re.compile(r'typer\.Typer\(\s*help="([^"]+)"')


class Panel(Enum):
    """The panels of `stockstream --help`, in order."""

    PIPELINE = "Pipeline"
    QUERY = "Query"
    ANALYSIS = "Indicators and backtests"
    UPKEEP = "Upkeep"


@dataclass(frozen=True)
class Entry:
    """What the text of a module declares about a command."""

    name: str
    panel: Panel
    place: int
    help: str
    """The first paragraph of its help."""
    module: str

    @property
    def order(self) -> tuple[int, int]:
        """The sort key in the help."""
        return list(Panel).index(self.panel), self.place


Target = TypeVar("Target", bound=Callable[..., Any] | typer.Typer)
_targets: dict[str, Callable[..., Any] | typer.Typer] = {}
"""What the modules that have been imported have registered, by name."""


def command(name: str, panel: Panel, place: int) -> Callable[[Target], Target]:
    """Register a function as `stockstream NAME`, or a Typer app as the group of commands `stockstream NAME …`.

    `place` is the sort key of the command within its panel; gaps between the numbers are allowed. The call begins a
    line and has literal arguments, because `entries` reads it from the text.

    Raises:
        ValueError: another command has this name, or this place in the panel.
    """
    for entry in entries():
        if (entry.name == name) != (entry.panel is panel and entry.place == place):
            raise _conflict(name, panel, place)

    def register(target: Target) -> Target:
        _targets[name] = target
        return target

    return register


@cache
def entries() -> tuple[Entry, ...]:
    """Return all commands, by panel and place.

    Raises:
        ValueError: two commands have the same name, or the same place in a panel.
    """
    listed: dict[str, Entry] = {}
    for path in sorted((Path(__file__).parent / "commands").glob("*.py")):
        for entry in _declared(path):
            if any(entry.name == other.name or entry.order == other.order for other in listed.values()):
                raise _conflict(entry.name, entry.panel, entry.place)
            listed[entry.name] = entry
    return tuple(sorted(listed.values(), key=lambda entry: entry.order))


def _declared(path: Path) -> Iterator[Entry]:
    text = path.read_text(encoding="utf-8")
    for match in _DECLARATION.finditer(text):
        name, panel, place = match.groups()
        is_group = not match[0].startswith("@")
        paragraph = _GROUP.search(text) if is_group else _DOCSTRING.search(text, match.end())
        help = " ".join(paragraph[1].split()) if paragraph else ""
        yield Entry(name, Panel[panel], int(place), help, f"{PACKAGE}.{path.stem}")


def _conflict(name: str, panel: Panel, place: int) -> ValueError:
    return ValueError(f"{name}: another command has this name, or place {place} in the panel {panel.value}")


class _CommandsByName(dict[str, Any]):
    """All commands by name, in the order of the help; the module of a command is imported when `get` returns it."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(entry.name for entry in entries()))

    def get(self, name: str, default: Any = None) -> Any:
        """Return a command by its name."""
        if name in self and self[name] is None:
            self[name] = _loaded(next(entry for entry in entries() if entry.name == name))
        return super().get(name, default)


class Commands(TyperGroup):
    """The group of all commands, which imports the module of a command when that command is asked for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _CommandsByName()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands, as the help lists them."""
        return list(self.commands)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options before the command."""
        return super().parse_args(ctx, _with_plain_values(self.get_params(ctx), args))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help without importing the commands, and without rich, which takes as long as all else."""
        options = [record for option in self.get_params(ctx) if (record := option.get_help_record(ctx))]
        boxes = [Box("Options", options)]
        for panel in Panel:
            boxes.append(Box(panel.value, [(entry.name, entry.help) for entry in entries() if entry.panel is panel]))
        usage = " ".join([ctx.command_path, *self.collect_usage_pieces(ctx)])
        formatter.write(help_page(usage, self.help or "", boxes, self.epilog or ""))


def _loaded(entry: Entry) -> Any:
    """Return the command of an entry, after importing its module."""
    importlib.import_module(entry.module)
    target = _targets[entry.name]
    app = typer.Typer()
    if isinstance(target, typer.Typer):
        for inner in target.registered_commands:
            inner.cls = _Command
        app.add_typer(target, name=entry.name)
    else:
        app.command(entry.name, cls=_Command)(target)
    return get_group(app).commands[entry.name]


def _with_plain_values(parameters: Sequence[Any], args: list[str]) -> list[str]:
    """Let parameters return an absent value and text as they are; return the arguments.

    Typer does so, too, but after importing pydantic, which takes a fifth of a second.
    """
    for parameter in parameters:
        parameter.process_value = _plain_values_first(parameter, parameter.process_value)
    return args


def _plain_values_first(parameter: Any, convert: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    is_single = not getattr(parameter, "multiple", False) and parameter.nargs == 1
    is_text = getattr(getattr(parameter, "type_descriptor", None), "annotation", None) is str

    def process(ctx: Any, value: Any) -> Any:
        if is_single and ((value is None and not parameter.required) or (is_text and type(value) is str)):
            return parameter.callback(ctx, parameter, value) if parameter.callback else value
        return convert(ctx, value)

    return process


class _Command(TyperCommand):
    """A command that refuses an option that stands twice.

    For a mistyped choice it suggests the most similar value; Typer only does so for names of options.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, _with_plain_values(self.get_params(ctx), args))
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
        if ctx.obj is not None and self.name not in WITHOUT_SETTINGS:
            ctx.obj()  # what `main` does before a command runs, but not before its help
        return super().invoke(ctx)
