"""How long commands and connections take to start, beside other commands; and a symbol through the stacked views.

    python -m tests.benchmarks.start

The CPU seconds are those of the whole process, measured in turn with the peers after one run that is not counted: the
first one makes the catalogue file and compiles Python's modules.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stockstream import analytics
from stockstream.sql.session import connect
from tests.benchmarks import _engines
from tests.benchmarks._harness import Figure, Spent, Work, beside, main, spent

ENVIRONMENT = Path(__file__).parents[2] / ".venv-engines/commands"
PEERS = {
    "sqlite-utils": "sqlite-utils==4.2.1",
    "dbt": "dbt-core==1.12.0",
    "its parser": "dbt-core-experimental-parser==2.0.0a4",
}
"""Commands that people know, in an environment of their own."""
SCRIPTS = Path(sys.executable).parent
MAX_HELP, MAX_QUERY, MAX_STATUS, MAX_CONNECT = 0.25, 0.45, 0.7, 0.1
"""CPU seconds."""
MAX_VIEW = 15
"""CPU milliseconds."""
VIEWS = ("bars_adjusted", "bars_split_adjusted")
QUERIES = 10
"""Queries per measurement, because one is too short for the clock of CPU time."""


def measure(quick: bool) -> Iterator[Figure]:
    """Measure on the demo's lake, with an empty cache folder."""
    runs = 1 if quick else 7
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ["STOCKSTREAM_CACHE"] = f"{folder}/cache"
        os.environ["TMPDIR"] = folder  # `status` looks for temporary files of killed processes
        lake = f"{folder}/lake"
        run(str(SCRIPTS / "stockstream"), "demo", "--lake", lake)
        yield from _commands(lake, runs, with_peers=not quick)
        yield from _connections(lake, f"{folder}/none", runs)
        yield from _views(lake, runs)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _commands(lake: str, runs: int, with_peers: bool) -> Iterator[Figure]:
    own, duckdb = str(SCRIPTS / "stockstream"), str(SCRIPTS / "duckdb")
    commands: dict[str, tuple[Sequence[str], float | None]] = {
        "stockstream --help": ((own, "--help"), MAX_HELP),
        'stockstream query "SELECT 1"': ((own, "query", "SELECT 1", "--lake", lake), MAX_QUERY),
        "stockstream status": ((own, "status", "--lake", lake), MAX_STATUS),
        'stockstream shell -- -c "SELECT 1"': ((own, "shell", "--lake", lake, "--", "-c", "SELECT 1"), None),
        'duckdb -c "SELECT 1"': ((duckdb, "-c", "SELECT 1"), None),
        "python -c pass": ((sys.executable, "-c", "pass"), None),
    }
    if with_peers:
        scripts = _engines.environment(ENVIRONMENT, PEERS).parent
        commands |= {
            f"{peer} --version": ((str(scripts / peer), "--version"), None) for peer in ("sqlite-utils", "dbt")
        }
    for name, time in _in_turn({name: partial(run, *command) for name, (command, _) in commands.items()}, runs):
        yield Figure(name, time.cpu, "CPU s", commands[name][1])
        yield Figure(name, time.wall, "s")


def _connections(lake: str, none: str, runs: int) -> Iterator[Figure]:
    def without_file() -> None:
        os.environ["STOCKSTREAM_CACHE"] = "/dev/null/none"
        try:
            connect(lake).close()
        finally:
            os.environ["STOCKSTREAM_CACHE"] = cache

    cache = os.environ["STOCKSTREAM_CACHE"]
    works = {
        "analytics.connect": lambda: analytics.connect(lake).close(),
        "the same without a catalogue file": without_file,
    }
    yield Figure("the first connection, which makes the catalogue file", _first(lake, none).cpu, "CPU s")
    for name, time in _in_turn(works, runs):
        yield Figure(name, time.cpu, "CPU s", MAX_CONNECT if name == "analytics.connect" else None)


def _first(lake: str, cache: str) -> Spent:
    before = os.environ["STOCKSTREAM_CACHE"]
    os.environ["STOCKSTREAM_CACHE"] = cache
    try:
        return spent(lambda: connect(lake).close())
    finally:
        os.environ["STOCKSTREAM_CACHE"] = before


def _views(lake: str, runs: int) -> Iterator[Figure]:
    with analytics.connect(lake) as con:

        def ask(view: str) -> None:
            for _ in range(QUERIES):
                con.execute(f"FROM {view} WHERE symbol = 'AAPL'").fetchall()

        for view, time in _in_turn({view: partial(ask, view) for view in VIEWS}, runs):
            yield Figure(f"one symbol through {view}", time.cpu / QUERIES * 1000, "CPU ms", MAX_VIEW)


def _in_turn(works: dict[str, Any], runs: int) -> Iterator[tuple[str, Spent]]:
    """Run each work once without counting it, then all in turn; yield the median of each."""
    for work in works.values():
        work()
    timed: list[Work] = [(lambda: None, lambda _, work=work: work()) for work in works.values()]
    yield from zip(works, beside(timed, runs), strict=True)


if __name__ == "__main__":
    main("Start of commands and connections", measure)
