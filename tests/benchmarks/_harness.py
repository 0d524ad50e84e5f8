"""Command-line arguments, measurement and output, which all benchmarks share."""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDTH = 120
"""Width of the output in characters if standard output is not a terminal."""


@dataclass(frozen=True)
class Figure:
    """One measured number. `goal` is its upper limit, or None."""

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the value meets the goal; None without a goal."""
        return None if self.goal is None else self.value <= self.goal


@dataclass(frozen=True)
class Spent:
    """Seconds that a piece of work took; `cpu` includes all threads and finished child processes."""

    cpu: float
    wall: float


Work = tuple[Callable[[], Any], Callable[[Any], Any]]
"""A preparation, and a function of its result; only the function is measured."""


def spent(work: Callable[[], Any]) -> Spent:
    """Run some work once, and return the time it took."""
    wall, cpu = time.perf_counter(), _cpu()
    work()
    return Spent(_cpu() - cpu, time.perf_counter() - wall)


def beside(works: Sequence[Work], runs: int = 5) -> list[Spent]:
    """Measure peers in turn, so that a noisy moment hits all of them; return the median of each.

    The preparation of a work, such as a new connection, is not counted; its result is passed to the measured function.
    """
    results: list[list[Spent]] = [[] for _ in works]
    for _ in range(runs):
        for (prepare, work), costs in zip(works, results, strict=True):
            costs.append(spent(partial(work, prepare())))
    return [Spent(median(cost.cpu for cost in costs), median(cost.wall for cost in costs)) for costs in results]


def main(title: str, measure: Callable[[bool], Iterable[Figure]]) -> None:
    """Run a benchmark from the command line: `measure(quick)` yields its figures."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="a smaller size, which shows that it runs, not how fast")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    arguments = parser.parse_args()
    _isolate_settings()
    figures = list(measure(arguments.quick))
    if arguments.json:
        print(json.dumps([_as_json(figure) for figure in figures], indent=1))
    else:
        Console(width=max(Console().width, WIDTH)).print(
            _table(title + (" (quick)" if arguments.quick else ""), figures)
        )


def _isolate_settings() -> None:
    """Remove the developer's settings and credentials from the environment, and silence request logs."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "STOCKSTREAM_", "S3_", "POLYGON_")):
            del os.environ[name]
    os.environ["LOG_LEVEL"] = "WARNING"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _as_json(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "goal": figure.goal,
        "holds": figure.holds,
    }


def _table(title: str, figures: Sequence[Figure]) -> Table:
    table = Table("figure", title=title, title_justify="left")
    for column in ("value", "unit", "goal", "holds"):
        table.add_column(column, justify="right" if column == "value" else "left")
    marks = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}
    for figure in figures:
        goal = "" if figure.goal is None else f"at most {figure.goal:g}"
        table.add_row(escape(figure.name), _readable(figure.value), figure.unit, goal, marks[figure.holds])
    return table


def _readable(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.3g}"
