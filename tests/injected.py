"""Count the faults that tests inject. A fault is distinct by the command, the write, request or object, and its type.

The counts travel with the reports of the tests, also from xdist's workers; `pytest_terminal_summary` prints them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import pytest

PROPERTY = "fault"
"""Name of the property of a test's report that holds an injected fault."""
CELL = "cell"
"""Name of the property that holds a cell of the damage table: place, kind, damage and outcome."""
MIN_FAULTS = 1000
"""The minimum number of distinct faults that `make test-faults` injects."""


class Fault(NamedTuple):
    """An injected fault."""

    command: str
    """The command that it disturbs, with its options."""
    at: str
    """The write, request or object that fails, and whether the lake is in a folder or on S3: `s3: request 12`."""
    type: str
    """What happens: kill, full disk, 503."""


class Injected:
    """The faults that one test injects: `injected("resample", "folder: write 3", "kill")`."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def __call__(self, command: str, at: str, type: str) -> None:
        """Count a fault."""
        self.faults.append(Fault(command, at, type))

    @property
    def properties(self) -> list[tuple[str, object]]:
        """The faults as properties of a test's report."""
        return [(PROPERTY, list(fault)) for fault in self.faults]


def faults_of(reports: Iterable[pytest.TestReport]) -> set[Fault]:
    """Return the distinct faults of all tests, from the reports of their teardown."""
    properties = (item for report in reports if report.when == "teardown" for item in report.user_properties)
    return {Fault(*value) for name, value in properties if name == PROPERTY and isinstance(value, list)}


def summary(faults: Iterable[Fault]) -> list[str]:
    """Return one line per command and type: the number of faults, the command and the type."""
    counts = Counter((fault.command, fault.type) for fault in faults)
    return [f"{count:>6,}  {command}: {type}" for (command, type), count in sorted(counts.items())]


def damage_tables(reports: Iterable[pytest.TestReport]) -> dict[str, list[str]]:
    """Return the lines of the damage table per place: a row per kind of file and outcome, with its damages."""
    properties = (item for report in reports if report.when == "teardown" for item in report.user_properties)
    cells = [value for name, value in properties if name == CELL and isinstance(value, list)]
    tables: dict[str, list[str]] = {}
    for place in sorted({cell[0] for cell in cells}):
        rows: dict[tuple[str, str], list[str]] = {}
        for _, kind, damage, outcome in (cell for cell in cells if cell[0] == place):
            rows.setdefault((kind, outcome), []).append(damage)
        tables[place] = [f"{kind:24} {outcome:28} {', '.join(rows[kind, outcome])}" for kind, outcome in rows]
    return tables
