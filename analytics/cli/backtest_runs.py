"""Runs and output of `stockstream backtest`: a single run, a search, a walk-forward analysis, a look-ahead check."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from stockstream.analytics.backtest.engine import StrategyError
from stockstream.analytics.backtest.model import Result
from stockstream.analytics.backtest.report import (
    FORMATS,
    GROUPS,
    MAX_CHARTS,
    to_json,
    types_in,
    write_result,
    write_table,
)
from stockstream.analytics.backtest.runs import (
    LUCK,
    Outcome,
    Run,
    Trial,
    backtest,
    make_strategy,
    search,
    verify,
    walk_forward,
)
from stockstream.analytics.cli.options import progress
from stockstream.analytics.cli.screen import Screen
from stockstream.sql.errors import ExitCode, StockStreamError, UsageError

WIDE = 160
"""Width of the output in characters if standard output is not a terminal."""
SHOWN = 10
"""Maximum number of rows of a table on the screen; the files have all rows."""
COLUMNS = ("total_return", "annual_return", "sharpe", "max_drawdown", "trades", "win_rate")
"""Metrics shown per run of a search, besides the one that ranks them."""


class LooksAhead(StockStreamError):
    """A strategy's decisions depend on later bars."""


class NotProved(StockStreamError):
    """The check for look-ahead cannot say whether a strategy looks ahead."""

    exit_code = ExitCode.NOT_CHECKED


def run_once(run: Run, folder: Path, as_json: bool) -> None:
    """Run a strategy once; write and print the result.

    Raises:
        StrategyError: the strategy failed; the files have the result up to then.
    """
    strategy = make_strategy(run.strategy, run.combinations[0])
    with progress("sessions") as report:
        result = backtest(strategy, charted=MAX_CHARTS, on_sessions=report, **run.settings)
    files = write_result(result, folder)
    if as_json:
        print(to_json(result), end="")
    else:
        _print_result(result)
        _out().print(f"written to {folder}: {', '.join(file.name for file in files)}")
    if result.error is not None:
        raise StrategyError(f"{result.error}; the results up to then are in {folder}")


def _print_result(result: Result) -> None:
    """Print the figures of a run."""
    out, days = _out(), result.curve.dates
    symbols = result.setup["symbols"]
    names = ", ".join(symbols[:SHOWN]) + (f" and {len(symbols) - SHOWN} more" if len(symbols) > SHOWN else "")
    out.print(f"{result.setup['strategy']}({_params(result.setup['params'])}) on {names}")
    if days:
        out.print(f"{len(days)} sessions, {days[0]} to {days[-1]}")
    for group, figures in GROUPS.items():
        lines = [(label, FORMATS[kind](result.metrics[name])) for name, (label, kind) in figures.items()
                 if result.metrics.get(name) is not None]  # fmt: skip
        if lines:
            out.print(f"\n{group}", style="bold")
        for label, text in lines:
            out.print(f"  {label:<30}{text:>14}")
    if result.metrics:
        out.print(f"\n  {'Costs':<30}{FORMATS['money'](result.metrics['costs']):>14}\n")
    for note in result.notes[:SHOWN]:
        out.print(f"{note.date} {note.symbol or ''}: {note.text}")
    if len(result.notes) > SHOWN:
        out.print(f"and {len(result.notes) - SHOWN} more notes: result.json has all of them")


def run_search(run: Run, rank: str, jobs: int | None, folder: Path, as_json: bool) -> None:
    """Run every combination; write one row per run, and print the best."""
    total, runs_so_far = len(run.combinations), 0
    with progress("runs") as report:

        def count(runs: int) -> None:
            nonlocal runs_so_far
            runs_so_far += runs
            report(runs_so_far, total)

        result = search(run.factory, run.combinations, rank=rank, jobs=jobs, on_runs=count, **run.settings)
    rows = result.rows()
    write_table(rows, types_in(rows), folder / "results")
    best, deflated = result.best, result.deflated_sharpe
    if as_json:
        trials = [{"params": trial.params, "metrics": trial.metrics, "error": trial.error} for trial in result.trials]
        document = {"trials": trials, "rank": rank, "best": best.params if best else None, "deflated_sharpe": deflated}
        print(json.dumps(document, indent=2))
        return
    out = _out()
    out.print(f"{run.strategy.__name__}: {total} runs, the best {min(SHOWN, total)} by {rank}")
    out.print(_table(result.ranked()[:SHOWN], rank))
    if rejected := [trial.error for trial in result.trials if not trial.metrics]:
        out.print(f"{len(rejected)} combinations were rejected, the first: {rejected[0]}")
    if deflated is not None:
        verdict = "more than luck" if deflated >= LUCK else f"may be the luck of {total} runs"
        out.print(f"deflated Sharpe ratio of the best: {deflated:.3f}: {verdict} (threshold {LUCK})")
    out.print(f"written to {folder / 'results.parquet'}")


def run_walk_forward(run: Run, windows: str, rank: str, jobs: int | None, folder: Path, as_json: bool) -> None:
    """Walk forward; write one row per window, and print how the chosen parameters performed."""
    train, _, test = windows.partition(":")
    if not (re.fullmatch(r"\d+:\d+", windows, re.ASCII) and int(train) > 1 and int(test) > 0):
        raise UsageError(f"--walk-forward {windows}: write the numbers of training and test sessions, as 504:126")
    with progress("windows") as report:
        result = walk_forward(
            run.factory,
            run.combinations,
            int(train),
            int(test),
            rank=rank,
            jobs=jobs,
            on_windows=report,
            **run.settings,
        )
    rows = result.rows()
    write_table(rows, types_in(rows), folder / "walk_forward")
    if as_json:
        print(json.dumps({"steps": rows, "metrics": result.metrics}, indent=2, default=str))
        return
    out = _out()
    table = Table("training", "test", "parameters", f"{rank}, training", f"{rank}, test", "return, test")
    for step in result.steps:
        window = step.window
        figures = (step.trained.metrics[rank], step.tested.metrics[rank], step.tested.metrics["total_return"])
        table.add_row(
            f"{window.train_from} to {window.train_to}", f"{window.test_from} to {window.test_to}",
            _params(step.trained.params), _figure(rank, figures[0]), _figure(rank, figures[1]),
            _figure("total_return", figures[2]),
        )  # fmt: skip
    out.print(table)
    for name, value in result.metrics.items():
        out.print(f"  {name:<16}{_figure(name, value):>10}")
    out.print(f"written to {folder / 'walk_forward.parquet'}")


def print_verdict(run: Run, as_json: bool, jobs: int | None = None) -> None:
    """Check a strategy for look-ahead; print the result.

    Raises:
        LooksAhead: a decision depends on later bars.
        NotProved: the check cannot say.
    """
    with progress("runs") as report:
        verdict = verify(run.factory, params=run.combinations[0], jobs=jobs, on_run=report, **run.settings)
    name, days = run.strategy.__name__, [str(day) for day in verdict.days]
    if as_json:
        print(json.dumps({"strategy": name, **asdict(verdict), "days": days}, indent=2))
    if verdict.outcome is Outcome.looks_ahead:
        raise LooksAhead(f"{name} looks ahead: {verdict.difference}")
    if verdict.outcome is Outcome.not_proved:
        raise NotProved(f"{name}: not proved: {verdict.doubt}")
    if not as_json:
        out = _out()
        out.print(
            f"{name}: no look-ahead found. Its {verdict.decisions:,} decisions are the same in lakes that end on"
            f" {len(days)} days between {days[0]} and {days[-1]}; it took {verdict.checked:,} of them on these days."
        )
        ratio = f"{verdict.seconds / verdict.backtest_seconds:.1f}"
        out.print(f"{verdict.seconds:.1f} CPU s, {ratio} times those of the backtest. What the check cannot see:")
        for text in verdict.unseen:
            out.print(f"- {text}")


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


def _out() -> Screen:
    return Screen(width=None if sys.stdout.isatty() else WIDE)
