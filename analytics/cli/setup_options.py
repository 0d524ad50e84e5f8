"""The options of a backtest that are settings of `Setup`, and those that name the strategy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from datetime import date
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from stockstream.analytics.backtest.model import OPTIONS, Setup
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.analytics.cli.options import parse_day, parse_symbols
from stockstream.sql.plugins import installed

StrategyOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE.py:CLASS",
        help=f"{', '.join([*SHIPPED, *(one.name for one in installed('strategies'))])}, or your own: my.py:MyStrategy.",
        show_default="the file's",
        rich_help_panel="Strategy",
    ),
]
IndicatorsOption = Annotated[
    list[Path] | None, typer.Option(help="Folder with further indicators.", rich_help_panel="Strategy")
]
PANELS = ("Strategy", "Account", "Costs", "Runs", "Output")
"""The panels of the help, in order; options without a panel, which all commands share, come last."""


def read_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the options that stand on the command line, for `Setup`.

    Raises:
        UsageError: a text is not a list of symbols or a date.
    """
    return {name: read_setting(name, value) for name, value in settings.items() if value is not None}


def read_setting(name: str, value: Any) -> Any:
    """Return the value of an option for `Setup`: parses symbols and dates; typer has parsed the other types.

    Raises:
        UsageError: the text is not a list of symbols or a date.
    """
    kinds = _kinds(name)
    if date in kinds:
        return parse_day(_flag(name), value)
    if tuple in (get_origin(kind) for kind in kinds):
        return parse_symbols(value)
    return value


def options_of_settings() -> list[inspect.Parameter]:
    """Return one option per field of `Setup`. All are optional: the file or the field's default supplies the value."""
    parameters = []
    for name, option in OPTIONS.items():
        kind = next((kind for kind in _kinds(name) if kind in (float, bool)), str)
        choices = next((get_args(kind) for kind in _kinds(name) if get_origin(kind) is Literal), ())
        keywords: dict[str, Any] = {
            "help": Setup.model_fields[name].description,
            "rich_help_panel": option.panel,
            "metavar": option.metavar or "|".join(choices) or None,
            "show_default": option.default or _default_text(Setup.model_fields[name].default),
        }
        flag = _flag(name) + (f"/{option.negative}" if option.negative else "")
        parameters.append(_parameter(name, kind, typer.Option(flag, **keywords)))
    return parameters


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _default_text(default: Any) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


def _kinds(name: str) -> tuple[Any, ...]:
    """Return the types of a field of `Setup` without None."""
    annotation = Setup.model_fields[name].annotation
    if isinstance(annotation, type) or get_origin(annotation) is Literal:
        return (annotation,)
    return tuple(kind for kind in get_args(annotation) if kind is not NoneType)


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    annotation = Annotated[kind | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _panel(parameter: inspect.Parameter) -> int:
    option = get_args(parameter.annotation)[-1]
    return PANELS.index(option.rich_help_panel) if option.rich_help_panel in PANELS else len(PANELS)


def with_setup_options(function: Callable[..., None], without: Collection[str] = ()) -> Callable[..., None]:
    """Replace the parameter **settings of a command by the options of `Setup`, sorted by the help's panels."""
    signature = inspect.signature(function, eval_str=True)
    explicit = [parameter for parameter in signature.parameters.values() if parameter.name != "settings"]
    options = [option for option in options_of_settings() if option.name not in without]
    parameters = sorted([*explicit, *options], key=_panel)
    function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return function
