"""What `stockstream backtest` does, prints and writes: one run, many, a walk forward, or the look for look-ahead."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from stockstream.analytics.backtest.engine.loop import StrategyError
from stockstream.analytics.backtest.model.result import Result
from stockstream.analytics.backtest.report.charts import MOST_CHARTS
from stockstream.analytics.backtest.report.files import to_json, write
from stockstream.analytics.backtest.report.page import FORMATS, GROUPS
from stockstream.analytics.backtest.report.tables import types_in, write_table
from stockstream.analytics.backtest.runs.forward import walk_forward
from stockstream.analytics.backtest.runs.grid import LUCK, Trial
from stockstream.analytics.backtest.runs.grid import search as search_all
from stockstream.analytics.backtest.runs.load import Run, make
from stockstream.analytics.backtest.runs.lookahead import verify as verify_no_lookahead
from stockstream.analytics.backtest.runs.single import backtest
from stockstream.analytics.cli.options import progress
from stockstream.sql.errors import StockStreamError, UsageError

WIDE = 160
"""Of what no terminal's width limits."""
SHOWN = 10
"""Rows of a table on the screen; the files have all."""
COLUMNS = ("total_return", "annual_return", "sharpe", "max_drawdown", "trades", "win_rate")
"""Of many runs, beside the metric that they are ranked by."""


class LooksAhead(StockStreamError):
    """A strategy's decisions depend on what comes after them."""


def once(run: Run, folder: Path, as_json: bool) -> None:
    """Run once; write and print the result."""
    with progress("sessions") as tell:
        result = backtest(make(run.strategy, run.combinations[0]), charted=MOST_CHARTS, on_sessions=tell, **run.given)
    files = write(result, folder)
    if as_json:
        print(to_json(result), end="")
    else:
        show(result)
        _out().print(f"written to {folder}: {', '.join(file.name for file in files)}", markup=False)
    if result.error is not None:
        raise StrategyError(f"{result.error}; what was reached until then is in {folder}")


def show(result: Result) -> None:
    """Print the figures of a run, for a person."""
    out, days = _out(), result.curve.dates
    symbols = result.setup["symbols"]
    names = ", ".join(symbols[:SHOWN]) + (f" and {len(symbols) - SHOWN} more" if len(symbols) > SHOWN else "")
    out.print(f"{result.setup['strategy']}({_params(result.setup['params'])}) on {names}", markup=False)
    if days:
        out.print(f"{len(days)} sessions, {days[0]} to {days[-1]}")
    for group, figures in GROUPS.items():
        shown = [(label, FORMATS[kind](result.metrics[name])) for name, (label, kind) in figures.items()
                 if result.metrics.get(name) is not None]  # fmt: skip
        if shown:
            out.print(f"\n[bold]{group}[/bold]")
        for label, text in shown:
            out.print(f"  {label:<30}{text:>14}", markup=False)
    if result.metrics:
        out.print(f"\n  {'Costs':<30}{FORMATS['money'](result.metrics['costs']):>14}\n")
    for note in result.notes[:SHOWN]:
        out.print(f"{note.date} {note.symbol or ''}: {note.text}", markup=False)
    if len(result.notes) > SHOWN:
        out.print(f"and {len(result.notes) - SHOWN} more notes: result.json has all")


def search(run: Run, rank: str, jobs: int | None, folder: Path, as_json: bool) -> None:
    """Run every combination; write a row for each, and print the best."""
    total, done = len(run.combinations), 0
    with progress("runs") as tell:

        def count(runs: int) -> None:
            nonlocal done
            done += runs
            tell(done, total)

        found = search_all(run.factory, run.combinations, rank=rank, jobs=jobs, on_runs=count, **run.given)
    rows = found.rows()
    write_table(rows, types_in(rows), folder / "results")
    best, luck = found.best, found.deflated_sharpe
    if as_json:
        trials = [{"params": trial.params, "metrics": trial.metrics, "error": trial.error} for trial in found.trials]
        picked = best.params if best else None
        print(json.dumps({"trials": trials, "rank": rank, "best": picked, "deflated_sharpe": luck}, indent=2))
        return
    out = _out()
    out.print(f"{run.strategy.__name__}: {total} runs, the best {min(SHOWN, total)} by {rank}")
    out.print(_table(found.ranked()[:SHOWN], rank))
    if luck is not None:
        verdict = "more than luck" if luck >= LUCK else "no more than the luck of so many tries, may be"
        out.print(f"deflated Sharpe ratio of the best: {luck:.3f}: {verdict} ({LUCK} is asked for)")
    out.print(f"written to {folder / 'results.parquet'}", markup=False)


def walk(run: Run, windows: str, rank: str, jobs: int | None, folder: Path, as_json: bool) -> None:
    """Walk forward; write a row for each window, and print how the picked parameters did."""
    train, _, test = windows.partition(":")
    if not (train.isdigit() and test.isdigit() and int(train) > 1 and int(test) > 0):
        raise UsageError(f"--walk-forward {windows}: write sessions to train and to test on, as 504:126")
    with progress("windows") as tell:
        found = walk_forward(
            run.factory, run.combinations, int(train), int(test), rank=rank, jobs=jobs, on_windows=tell, **run.given
        )
    rows = found.rows()
    write_table(rows, types_in(rows), folder / "walk_forward")
    if as_json:
        print(json.dumps({"steps": rows, "metrics": found.metrics}, indent=2, default=str))
        return
    out = _out()
    table = Table("trained on", "tested on", "picked", f"{rank}, trained", f"{rank}, tested", "return, tested")
    for step in found.steps:
        window = step.window
        figures = (step.trained.metrics[rank], step.tested.metrics[rank], step.tested.metrics["total_return"])
        table.add_row(
            f"{window.train_from} to {window.train_to}", f"{window.test_from} to {window.test_to}",
            _params(step.trained.params), _figure(rank, figures[0]), _figure(rank, figures[1]),
            _figure("total_return", figures[2]),
        )  # fmt: skip
    out.print(table)
    for name, value in found.metrics.items():
        out.print(f"  {name:<16}{_figure(name, value):>10}")
    out.print(f"written to {folder / 'walk_forward.parquet'}", markup=False)


def verify(run: Run, as_json: bool) -> None:
    """Look for look-ahead; print what was found."""
    with progress("runs") as tell:
        found = verify_no_lookahead(lambda: make(run.strategy, run.combinations[0]), on_run=tell, **run.given)
    name, days = run.strategy.__name__, [str(day) for day in found.days]
    if as_json:
        told = {"decisions": found.decisions, "changed_after": days, "difference": found.difference}
        print(json.dumps({"strategy": name, **told}, indent=2))
    if found.difference is not None:
        raise LooksAhead(f"{name} looks ahead: {found.difference}")
    if not as_json:
        _out().print(
            f"{name}: all of its {found.decisions:,} decisions stay the same, however the future is changed"
            f" (after {', '.join(days)})"
        )


def _table(trials: list[Trial], rank: str) -> Table:
    names = sorted({name for trial in trials for name in trial.params})
    columns = [rank, *(column for column in COLUMNS if column != rank)]
    table = Table(*names)
    for column in columns:
        table.add_column(column, justify="right")
    for trial in trials:
        figures = [_figure(column, trial.metrics.get(column)) for column in columns]
        table.add_row(*(str(trial.params[name]) for name in names), *figures)
    return table


def _figure(name: str, value: float | None) -> str:
    kind = next((figures[name][1] for figures in GROUPS.values() if name in figures), "money")
    return FORMATS[kind](value)


def _params(params: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())


def _out() -> Console:
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
