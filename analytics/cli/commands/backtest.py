"""`stockstream backtest`: run a strategy on the bars of a lake: once, with many parameters, or walking forward."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from stockstream.analytics.cli.options import AsOfOption, JsonOption, LakeOption, existing_lake
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.setup_options import (
    IndicatorsOption,
    StrategyOption,
    read_settings,
    with_setup_options,
)
from stockstream.sql.errors import UsageError


@command("backtest", Panel.ANALYSIS, 20)
@with_setup_options
def backtest_command(
    *,
    strategy: StrategyOption = None,
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
    sql_path: IndicatorsOption = None,
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

    values = read_settings(settings)
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
