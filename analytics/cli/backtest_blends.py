"""Runs and output of `stockstream backtest --blend`: several strategies in one account."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from stockstream.analytics.backtest.engine import StrategyError
from stockstream.analytics.backtest.report import figure_text, to_json, write_result
from stockstream.analytics.backtest.runs import Blend, BlendRun, blend, write_pyfolio
from stockstream.analytics.backtest.stats import FIGURES
from stockstream.analytics.cli.backtest_runs import print_result, screen
from stockstream.analytics.cli.options import progress

COLUMNS = ("final_equity", "total_return", "sharpe", "max_drawdown", "trades", "costs")
"""Figures shown per strategy."""


def run_blend(run: BlendRun, folder: Path, export: bool, as_json: bool) -> None:
    """Run several strategies in one account; write and print the result, and that of each strategy.

    Args:
        run: the strategies with their weights, and the settings.
        folder: where the files of the account are written; each strategy has a folder in it.
        export: whether to write the files for pyfolio and quantstats, too.
        as_json: whether to print the result as JSON.

    Raises:
        StrategyError: a strategy failed; the files have the results up to then.
    """
    with progress("sessions") as report:
        both = blend(run.strategies, with_history=True, on_sessions=report, **run.settings)
    result = both.result
    files = write_result(result, folder, both.parts)
    if export and result.curve.dates:
        files += write_pyfolio(result, folder / "pyfolio")
    if as_json:
        print(to_json(result, both.parts), end="")
    else:
        print_result(result)
        screen().print(_table(both, run))
        screen().print(f"written to {folder}: {', '.join(str(file.relative_to(folder)) for file in files)}")
    if result.error is not None:
        raise StrategyError(f"{result.error}; the results up to then are in {folder}")


def _table(both: Blend, run: BlendRun) -> Table:
    """Return a row of figures per strategy."""
    table = Table("strategy", *(("weight", *(FIGURES[name].label for name in COLUMNS))))
    for name, part in both.parts.items():
        figures = [figure_text(part.metrics.get(column), FIGURES[column].kind) for column in COLUMNS]
        table.add_row(name, f"{run.strategies[name][1]:g}%", *figures)
    return table
