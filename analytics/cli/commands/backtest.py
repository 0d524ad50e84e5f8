"""`stockstream backtest`: run a strategy on the bars of a lake: once, with many parameters, or walking forward."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from stockstream.analytics.backtest.model import OPTIONS, Setup
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.analytics.cli.options import (
    AsOfOption,
    JsonOption,
    LakeOption,
    existing_lake,
    parse_day,
    parse_symbols,
)
from stockstream.analytics.cli.registry import Panel, command
from stockstream.sql.errors import UsageError

PANELS = ("Strategy", "Account", "Costs", "Runs", "Output")
"""The panels of the help, in order; options without a panel, which all commands share, come last."""


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


def setup_options() -> list[inspect.Parameter]:
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


def _with_setup_options(function: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameter **settings of a command by the options of `Setup`, sorted by the help's panels."""
    signature = inspect.signature(function, eval_str=True)
    explicit = [parameter for parameter in signature.parameters.values() if parameter.name != "settings"]
    parameters = sorted([*explicit, *setup_options()], key=_panel)
    function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return function


@command("backtest", Panel.ANALYSIS, 20)
@_with_setup_options
def backtest_command(
    *,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.py:CLASS",
            help=f"{', '.join(SHIPPED)}, or your own: my.py:MyStrategy.",
            show_default="the file's",
            rich_help_panel="Strategy",
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A parameter of the strategy: fast=10; for many runs fast=5,10,20 or fast=5:50:5. Repeatable.",
            rich_help_panel="Strategy",
        ),
    ] = None,
    blend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]STRATEGY=WEIGHT",
            help="One of several strategies in one account, with its per cent of the capital: BuyAndHold=60. "
            "Repeatable; its parameters are --param BuyAndHold.percent=90, or those of its NAME.",
            show_default="none",
            rich_help_panel="Strategy",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help='TOML file with these settings (fill_at = "close"), strategy, and a table \\[params]; or a table '
            "\\[blend.NAME] per strategy, with strategy, weight and params.",
            rich_help_panel="Strategy",
        ),
    ] = None,
    sql_path: Annotated[
        list[Path] | None, typer.Option(help="Folder with further indicators.", rich_help_panel="Strategy")
    ] = None,
    lake: LakeOption = None,
    as_of: AsOfOption = None,
    walk_forward: Annotated[
        str | None,
        typer.Option(
            metavar="TRAIN:TEST",
            help="Choose parameters on TRAIN sessions, test them on the next TEST sessions, and move on by these.",
            rich_help_panel="Runs",
        ),
    ] = None,
    rank: Annotated[
        str,
        typer.Option(
            metavar="METRIC|SQL",
            help="Figure that decides which of many runs is the best, or an expression of figures of which more is "
            "better: 'sharpe - 0.5 * ulcer_index'.",
            rich_help_panel="Runs",
        ),
    ] = "sharpe",
    where: Annotated[
        str | None,
        typer.Option(
            metavar="SQL", help="Condition on the parameters of many runs: 'fast < slow'.", rich_help_panel="Runs"
        ),
    ] = None,
    method: Annotated[
        Literal["grid", "random", "bayesian"],
        typer.Option(
            help="Which of many combinations to run: all; some at random; or more near the best so far (extra search).",
            rich_help_panel="Runs",
        ),
    ] = "grid",
    runs: Annotated[
        int, typer.Option(min=1, help="Number of combinations of --method random, bayesian.", rich_help_panel="Runs")
    ] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Seed of --method random, bayesian.", rich_help_panel="Runs")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes for many runs, and for the check.",
            show_default="one per core",
            rich_help_panel="Runs",
        ),
    ] = None,
    verify_no_lookahead: Annotated[
        bool,
        typer.Option(
            "--verify-no-lookahead",
            help="Check that the decisions are the same in lakes that end on the day of a decision.",
            rich_help_panel="Runs",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder for the files.", show_default="backtests/STRATEGY", rich_help_panel="Output"
        ),
    ] = None,
    export: Annotated[
        bool,
        typer.Option(
            "--export", help="Also write the folder pyfolio, for pyfolio and quantstats.", rich_help_panel="Output"
        ),
    ] = False,
    as_json: JsonOption = False,
    **settings: Any,
) -> None:
    """Run a strategy on the bars of a lake, and write its trades, equity curve and report.

    Example: stockstream backtest --strategy MovingAverageCrossover --symbols BHP,CBA --start 2020-01-01

    Several strategies: stockstream backtest --blend MovingAverageCrossover=60 --blend my.py:Mine=30 --symbols BHP,CBA
    """
    # Imported here, because these modules import numpy and pyarrow, which no other command needs.
    from stockstream.analytics.backtest.runs import read_blend, read_run
    from stockstream.analytics.cli import backtest_blends, backtest_runs, backtest_searches

    values = {name: read_setting(name, value) for name, value in settings.items() if value is not None}
    if (several := read_blend(config, blend or [], strategy, param or [], values)) is not None:
        if verify_no_lookahead or walk_forward is not None or method != "grid":
            raise UsageError("--blend: --verify-no-lookahead, --walk-forward and --method take a single strategy")
        several.settings |= {"lake": existing_lake(lake).uri, "as_of": as_of, "sql_path": sql_path or ()}
        backtest_blends.run_blend(several, output or Path("backtests") / "blend", export, as_json)
        return
    run = read_run(config, strategy, param or [], values)
    run.settings |= {"lake": existing_lake(lake).uri, "as_of": as_of, "sql_path": sql_path or ()}
    options = backtest_searches.Options(rank, where, method, runs, seed, jobs)
    folder = output or Path("backtests") / run.strategy.__name__
    if verify_no_lookahead:
        backtest_runs.print_verdict(run, as_json, jobs)
    elif walk_forward is not None:
        backtest_searches.run_walk_forward(run, walk_forward, options, folder, as_json)
    elif method != "grid" or len(run.combinations) > 1:
        backtest_searches.run_search(run, options, folder, as_json)
    else:
        backtest_runs.run_once(run, folder, export, as_json)
