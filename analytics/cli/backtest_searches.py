"""Searches of `stockstream backtest` and their output: many parameters, and walk-forward analyses."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from stockstream.analytics.backtest.report import (
    figure_text,
    params_text,
    render_search,
    render_walk,
    types_in,
    write_table,
)
from stockstream.analytics.backtest.runs import (
    LUCK,
    Ranking,
    Run,
    Search,
    Trial,
    param_columns,
    sample,
    search,
    walk_forward,
)
from stockstream.analytics.backtest.stats import FIGURES
from stockstream.analytics.cli.backtest_runs import SHOWN, screen
from stockstream.analytics.cli.options import progress
from stockstream.sql.errors import LakeError, UsageError
from stockstream.sql.session.whole_files import write_whole

COLUMNS = ("total_return", "annual_return", "sharpe", "max_drawdown", "trades", "win_rate")
"""Figures shown per run of a search, besides the one that ranks them."""


@dataclass(frozen=True)
class Options:
    """How to search."""

    rank: str
    where: str | None
    method: Literal["grid", "random", "bayesian"]
    runs: int
    seed: int
    jobs: int | None


def run_search(run: Run, options: Options, folder: Path, as_json: bool) -> None:
    """Run the combinations; write one row per run and a page, and print the best."""
    result = _search(run, options)
    ranking, ranked = Ranking(result.rank), result.ranked()
    rows = result.rows()
    write_table(rows, types_in(rows), folder / "results")
    notes = _notes(result)
    _write_page(
        folder / "results.html",
        render_search(
            run.strategy.__name__,
            Search(ranked, result.rank).rows(),
            _labels(run),
            ranking.name,
            notes,
            _settings(run, options),
        ),
    )
    best = result.best
    if as_json:
        trials = [
            {
                "params": trial.params,
                "metrics": trial.metrics,
                **({} if ranking.is_figure else {"objective": ranking.value(trial.metrics)}),
                "error": trial.error,
            }
            for trial in result.trials
        ]
        document = {
            "trials": trials,
            "rank": options.rank,
            "best": best.params if best else None,
            "deflated_sharpe": result.deflated_sharpe,
        }
        print(json.dumps(document, indent=2))
        return
    out = screen()
    total = sum(bool(trial.metrics) for trial in result.trials)
    out.print(f"{run.strategy.__name__}: {total} runs, the best {min(SHOWN, total)} by {options.rank}")
    out.print(_table(ranked[:SHOWN], ranking))
    for text in notes:
        out.print(text)
    out.print(f"written to {folder}: results.csv, results.parquet, results.html")


def _search(run: Run, options: Options) -> Search:
    runs_so_far = 0
    total = len(run.combinations) if options.method == "grid" else options.runs
    with progress("runs") as report:

        def count(runs: int) -> None:
            nonlocal runs_so_far
            runs_so_far += runs
            report(runs_so_far, total)

        shared: dict[str, Any] = {"rank": options.rank, "where": options.where, "jobs": options.jobs, "on_runs": count}
        if options.method == "grid":
            return search(run.factory, run.combinations, **shared, **run.settings)
        shared |= {"runs": options.runs, "method": options.method, "seed": options.seed}
        return sample(run.factory, run.space, **shared, **run.settings)


def _notes(result: Search) -> list[str]:
    """Return what to know about a search besides its table."""
    notes = []
    if rejected := [trial.error for trial in result.trials if not trial.metrics]:
        notes.append(f"{len(rejected)} combinations were rejected, the first: {rejected[0]}")
    if failed := [trial.error for trial in result.trials if trial.metrics and trial.error]:
        notes.append(f"{len(failed)} runs failed, the first: {failed[0]}")
    deflated = result.deflated_sharpe
    if deflated is not None:
        runs = sum(bool(trial.metrics) for trial in result.trials)
        verdict = "more than luck" if deflated >= LUCK else f"may be the luck of {runs} runs"
        notes.append(f"deflated Sharpe ratio of the best: {deflated:.3f}: {verdict} (threshold {LUCK})")
    return notes


def _labels(run: Run) -> dict[str, str]:
    """Return the label of each parameter per column; those with one value only are settings."""
    many = [name for name, values in run.space.items() if len(values) > 1]
    return dict(zip(param_columns(dict.fromkeys(many)), many, strict=True))


def _settings(run: Run, options: Options) -> dict[str, Any]:
    settings = {name: value for name, value in run.settings.items() if value not in (None, ())}
    method: dict[str, Any] = {"method": options.method}
    if options.method != "grid":
        method |= {"runs": options.runs, "seed": options.seed}
    return {"parameters": run.space, "rank": options.rank, "where": options.where, **method, **settings}


def _write_page(path: Path, page: str) -> None:
    try:
        write_whole(path, page)
    except OSError as error:
        raise LakeError(f"cannot write {path}: {error.strerror or error}") from None


def run_walk_forward(run: Run, windows: str, options: Options, folder: Path, as_json: bool) -> None:
    """Walk forward; write one row per window and a page, and print how the chosen parameters performed.

    Raises:
        UsageError: `windows` is not training:test, or the method samples the combinations.
    """
    train, _, test = windows.partition(":")
    if not (re.fullmatch(r"\d+:\d+", windows, re.ASCII) and int(train) > 1 and int(test) > 0):
        raise UsageError(f"--walk-forward {windows}: write the numbers of training and test sessions, as 504:126")
    if options.method != "grid":
        raise UsageError(f"--walk-forward tries all combinations in each window: omit --method {options.method}")
    with progress("windows") as report:
        result = walk_forward(
            run.factory,
            run.combinations,
            int(train),
            int(test),
            rank=options.rank,
            where=options.where,
            jobs=options.jobs,
            on_windows=report,
            **run.settings,
        )
    rows, ranking = result.rows(), Ranking(result.rank)
    write_table(rows, types_in(rows), folder / "walk_forward")
    settings = {"walk_forward": windows, **_settings(run, options)}
    name, labels = run.strategy.__name__, _labels(run)
    _write_page(
        folder / "walk_forward.html",
        render_walk(name, rows, labels, ranking.name, result.dates, result.equity, result.metrics, settings),
    )
    if as_json:
        print(json.dumps({"steps": rows, "metrics": result.metrics}, indent=2, default=str))
        return
    out, rank = screen(), options.rank
    table = Table("training", "test", "parameters", f"{rank}, training", f"{rank}, test", "return, test")
    for step in result.steps:
        window, tested = step.window, step.tested.metrics
        days = (f"{window.train_from} to {window.train_to}", f"{window.test_from} to {window.test_to}")
        figures = [_figure(rank, ranking.value(metrics)) for metrics in (step.trained.metrics, tested)]
        table.add_row(
            *days, params_text(step.trained.params), *figures, _figure("total_return", tested.get("total_return"))
        )
    out.print(table)
    for name, value in result.metrics.items():
        out.print(f"  {name:<16}{_figure(name, value):>10}")
    if failed := [step for step in result.steps if step.tested.error]:
        out.print(f"{len(failed)} tests failed, of which only the sessions before count: {failed[0].tested.error}")
    out.print(f"written to {folder}: walk_forward.csv, walk_forward.parquet, walk_forward.html")


def _table(trials: list[Trial], ranking: Ranking) -> Table:
    names = sorted({name for trial in trials for name in trial.params})
    columns = [column for column in COLUMNS if column != ranking.name]
    table = Table(*names)
    for column in (ranking.name, *columns):
        table.add_column(column, justify="right")
    for trial in trials:
        figures = [_figure(ranking.name, ranking.value(trial.metrics))]
        figures += [_figure(column, trial.metrics.get(column)) for column in columns]
        table.add_row(*(str(trial.params[name]) for name in names), *figures)
    return table


def _figure(name: str, value: float | None) -> str:
    return figure_text(value, FIGURES[name].kind if name in FIGURES else "ratio")
