"""Runs and output of `stockstream backtest`: a single run, and a check for look-ahead."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from stockstream.analytics.backtest.engine import StrategyError
from stockstream.analytics.backtest.model import Result
from stockstream.analytics.backtest.report import figure_text, params_text, to_json, write_result
from stockstream.analytics.backtest.runs import Outcome, Run, backtest, make_strategy, verify, write_pyfolio
from stockstream.analytics.backtest.stats import GROUPS, cautions
from stockstream.analytics.cli.options import progress
from stockstream.analytics.cli.screen import Screen
from stockstream.sql.errors import ExitCode, StockStreamError

WIDE = 160
"""Width of the output in characters if standard output is not a terminal."""
SHOWN = 10
"""Maximum number of rows of a table on the screen; the files have all rows."""


class LooksAhead(StockStreamError):
    """A strategy's decisions depend on later bars."""


class NotProved(StockStreamError):
    """The check for look-ahead cannot say whether a strategy looks ahead."""

    exit_code = ExitCode.NOT_CHECKED


def run_once(run: Run, folder: Path, export: bool, as_json: bool) -> None:
    """Run a strategy once; write and print the result.

    Args:
        run: the strategy and its settings.
        folder: where the files are written.
        export: whether to write the files for pyfolio and quantstats, too.
        as_json: whether to print the result as JSON.

    Raises:
        StrategyError: the strategy failed; the files have the result up to then.
    """
    strategy = make_strategy(run.strategy, run.combinations[0])
    with progress("sessions") as report:
        result = backtest(strategy, with_history=True, on_sessions=report, **run.settings)
    files = write_result(result, folder)
    if export and result.curve.dates:
        files += write_pyfolio(result, folder / "pyfolio")
    if as_json:
        print(to_json(result), end="")
    else:
        print_result(result)
        screen().print(f"written to {folder}: {', '.join(str(file.relative_to(folder)) for file in files)}")
    if result.error is not None:
        raise StrategyError(f"{result.error}; the results up to then are in {folder}")


def print_result(result: Result) -> None:
    """Print the figures of a run."""
    out, days = screen(), result.curve.dates
    symbols = result.setup["symbols"]
    names = ", ".join(symbols[:SHOWN]) + (f" and {len(symbols) - SHOWN} more" if len(symbols) > SHOWN else "")
    out.print(f"{result.setup['strategy']}({params_text(result.setup['params'])}) on {names}")
    if days:
        out.print(f"{len(days)} sessions, {days[0]} to {days[-1]}")
    for group, figures in GROUPS.items():
        lines = [(item.label, figure_text(result.metrics[name], item.kind)) for name, item in figures.items()
                 if result.metrics.get(name) is not None]  # fmt: skip
        if lines:
            out.print(f"\n{group}", style="bold")
        for label, text in lines:
            out.print(f"  {label:<32}{text:>14}")
    out.print()
    for text in cautions(len(days), result.metrics):
        out.print(f"Note: {text}")
    if positions := result.open_positions:
        names = ", ".join(f"{one.symbol} {one.quantity:,g}" for one in positions[:SHOWN])
        more = f" and {len(positions) - SHOWN} more" if len(positions) > SHOWN else ""
        out.print(f"open at the end, worth {sum(one.value for one in positions):,.2f}: {names}{more}")
    for note in result.notes[:SHOWN]:
        out.print(f"{note.date} {note.symbol or ''}: {note.text}")
    if len(result.notes) > SHOWN:
        out.print(f"and {len(result.notes) - SHOWN} more notes: result.json has all of them")


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
        out = screen()
        out.print(
            f"{name}: no look-ahead found. Its {verdict.decisions:,} decisions are the same in lakes that end on"
            f" {len(days)} days between {days[0]} and {days[-1]}; it took {verdict.checked:,} of them on these days."
        )
        ratio = f"{verdict.seconds / verdict.backtest_seconds:.1f}"
        out.print(f"{verdict.seconds:.1f} CPU s, {ratio} times those of the backtest. What the check cannot see:")
        for text in verdict.unseen:
            out.print(f"- {text}")


def screen() -> Screen:
    """Return the screen; its width is fixed if standard output is not a terminal."""
    return Screen(width=None if sys.stdout.isatty() else WIDE)
