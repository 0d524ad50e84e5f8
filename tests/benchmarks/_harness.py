"""What every benchmark shares: its arguments, how it measures and how it prints."""

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
from rich.table import Table

WIDTH = 120
"""Columns of the table where the terminal does not say: in a pipe."""


@dataclass(frozen=True)
class Figure:
    """One measured number. `goal` is the most that it may be; None where nothing is asked of it."""

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def holds(self) -> bool | None:
        return None if self.goal is None else self.value <= self.goal


@dataclass(frozen=True)
class Spent:
    """What a piece of work took, in seconds; CPU of all threads, and of the processes it started and waited for."""

    cpu: float
    wall: float


Work = tuple[Callable[[], Any], Callable[[Any], Any]]
"""What is prepared, and then measured."""


def spent(work: Callable[[], Any]) -> Spent:
    """Do some work once and measure it."""
    wall, cpu = time.perf_counter(), _cpu()
    work()
    return Spent(_cpu() - cpu, time.perf_counter() - wall)


def beside(works: Sequence[Work], runs: int = 5) -> list[Spent]:
    """Measure peers in turn, so that a noisy moment hits all of them; give the median of each.

    A work is two steps: the first, such as a new connection, is not counted; the second is given what it made.
    """
    taken: list[list[Spent]] = [[] for _ in works]
    for _ in range(runs):
        for (prepare, work), of_work in zip(works, taken, strict=True):
            of_work.append(spent(partial(work, prepare())))
    return [Spent(median(one.cpu for one in all_), median(one.wall for one in all_)) for all_ in taken]


def main(title: str, measure: Callable[[bool], Iterable[Figure]]) -> None:
    """Run a benchmark from the command line: `measure` is told whether to be quick, and gives its figures."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="a smaller size: to see that it runs, not how fast")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    arguments = parser.parse_args()
    _own_settings()
    figures = list(measure(arguments.quick))
    if arguments.json:
        print(json.dumps([_as_json(figure) for figure in figures], indent=1))
    else:
        Console(width=max(Console().width, WIDTH)).print(
            _table(title + (" (quick)" if arguments.quick else ""), figures)
        )


def _own_settings() -> None:
    """Keep the developer's own settings and credentials out, and the logs of requests."""
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
        table.add_row(figure.name, _readable(figure.value), figure.unit, goal, marks[figure.holds])
    return table


def _readable(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.3g}"
