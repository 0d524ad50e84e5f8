"""`stockstream backtest`: a strategy on the bars of a lake, once, with many parameters, or walking forward."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from stockstream.analytics.cli.options import (
    AsOfOption,
    JsonOption,
    LakeOption,
    Symbols,
    day_option,
    lake_uri,
    symbols_option,
)
from stockstream.analytics.cli.registry import Panel, command

STRATEGIES = (
    "MovingAverageCrossover, RSIMeanReversion, BollingerBreakout, Momentum, PairsTrade, BuyAndHold,"
    " or your own: my.py:MyStrategy."
)


@command("backtest", Panel.ANALYSIS, 20)
def backtest_command(
    strategy: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.py:CLASS", help=STRATEGIES, show_default="the config's")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(help="fast=10; for many runs fast=5,10,20 or fast=5:50:5. May be repeated."),
    ] = None,
    symbols: Annotated[Symbols | None, symbols_option("Only these.", default="all with bars")] = None,
    start: Annotated[date | None, day_option("--start", "First session.")] = None,
    end: Annotated[date | None, day_option("--end", "Last session.")] = None,
    initial_capital: Annotated[float | None, typer.Option(help="Cash.", show_default="100000")] = None,
    benchmark: Annotated[str | None, typer.Option(metavar="SYMBOL", help="To compare with.")] = None,
    config: Annotated[
        Path | None, typer.Option(help='TOML with these settings (fill_at = "close"), and a table \\[params].')
    ] = None,
    lake: LakeOption = None,
    as_of: AsOfOption = None,
    prices: Annotated[str | None, typer.Option(help="as_traded or adjusted.", show_default="as_traded")] = None,
    fill_at: Annotated[str | None, typer.Option(help="open, close or vwap.", show_default="open")] = None,
    commission: Annotated[
        str | None, typer.Option(help="0.1%, 0.005/share min 1, or a broker: ibkr-us.", show_default="0.1%")
    ] = None,
    slippage: Annotated[str | None, typer.Option(help="5bps, 0.01/share, volume-share.", show_default="none")] = None,
    volume_limit: Annotated[float | None, typer.Option(help="Largest share of a bar's volume to be filled.")] = None,
    leverage: Annotated[float | None, typer.Option(help="Most exposure by equity.", show_default="1")] = None,
    allow_short: Annotated[bool | None, typer.Option("--allow-short/--no-short", show_default="allow")] = None,
    maintenance: Annotated[float | None, typer.Option(help="Least equity by exposure.", show_default="0.25")] = None,
    borrow_rate: Annotated[float | None, typer.Option(help="A year, of short positions.", show_default="0.01")] = None,
    interest_rate: Annotated[float | None, typer.Option(help="A year, of negative cash.", show_default="0.06")] = None,
    risk_free_rate: Annotated[float | None, typer.Option(help="A year.", show_default="0")] = None,
    at_end: Annotated[str | None, typer.Option(help="hold or close open positions.", show_default="hold")] = None,
    sql_path: Annotated[list[Path] | None, typer.Option(help="Folder of indicators of your own.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the files.", show_default="backtests/STRATEGY")
    ] = None,
    walk_forward: Annotated[
        str | None, typer.Option(metavar="TRAIN:TEST", help="Sessions to pick parameters on, and then to try them on.")
    ] = None,
    rank: Annotated[str, typer.Option(metavar="METRIC", help="What the best of many runs is best in.")] = "sharpe",
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes for many runs.", show_default="the cores")] = None,
    verify_no_lookahead: Annotated[
        bool, typer.Option("--verify-no-lookahead", help="Change the future, and compare the decisions before it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a strategy on the bars of a lake, and write its trades, equity curve and report.

    Example: stockstream backtest --strategy MovingAverageCrossover --symbols BHP,CBA --start 2020-01-01
    """
    # They import numpy and pyarrow, which no other command needs.
    from stockstream.analytics.backtest.runs.load import read_run
    from stockstream.analytics.cli import backtest_runs as runs

    options = {
        "symbols": symbols, "start": start, "end": end,
        "initial_capital": initial_capital, "benchmark": benchmark, "prices": prices, "fill_at": fill_at,
        "commission": commission, "slippage": slippage, "volume_limit": volume_limit, "leverage": leverage,
        "allow_short": allow_short, "maintenance": maintenance, "borrow_rate": borrow_rate,
        "interest_rate": interest_rate, "risk_free_rate": risk_free_rate, "at_end": at_end,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None}
    run = read_run(config, strategy, param or [], given)
    run.given |= {"lake": lake_uri(lake), "as_of": as_of, "sql_path": sql_path or ()}
    folder = output or Path("backtests") / run.strategy.__name__
    if verify_no_lookahead:
        runs.verify(run, as_json)
    elif walk_forward is not None:
        runs.walk(run, walk_forward, rank, jobs, folder, as_json)
    elif len(run.combinations) > 1:
        runs.search(run, rank, jobs, folder, as_json)
    else:
        runs.once(run, folder, as_json)
