"""Run the planted rows of every check against the mutants of its SQL; a mutant that none of them notices survives."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from duckdb import DuckDBPyConnection

from stockstream.pipeline.checks import Check, described, run_checks
from stockstream.pipeline.checks.published import CHECK, compare_published
from tests.mutation.mutants import mutants

EQUIVALENT = Path(__file__).parent / "equivalent.yaml"
"""Mutants that change nothing, each with the reason."""
MIN_SCORE = 95.0
MAX_EQUIVALENT = 5.0
"""Percent of all mutants."""


@dataclass(frozen=True)
class Planted:
    """Rows for a check: what it must find in them, and how a connection on them is opened."""

    check: Check
    bad: Sequence[str]
    """The bad rows, in order, as texts; empty if there are none."""
    open: Callable[[ExitStack, Path], DuckDBPyConnection]
    """Plants the rows in a folder, and returns a connection that lives as long as the stack."""
    shown: Callable[[str], str] = field(default=str)
    """Returns a bad row as `bad` has it: without the folder of the lake."""


@dataclass(frozen=True)
class Score:
    """The mutants of one check, and those that survive."""

    check: str
    mutants: int
    survivors: Sequence[str]
    equivalent: Sequence[str]
    """Survivors that `equivalent.yaml` lists."""

    @property
    def killed(self) -> int:
        return self.mutants - len(self.survivors) - len(self.equivalent)


def equivalent() -> dict[str, dict[str, str]]:
    """Return the reason by mutant, by check, of the mutants that change nothing."""
    return yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8")) or {}


def score(name: str, planted: Iterable[Planted], chosen: Callable[[int], bool] = lambda number: True) -> Score:
    """Return the score of a check; `chosen` selects mutants by their number, for a sample.

    Raises:
        AssertionError: the check itself, as sqlglot renders it, fails on its planted rows.
    """
    cases = list(planted)
    alive = [mutant for number, mutant in enumerate(mutants(cases[0].check.sql)) if chosen(number)]
    total = len(alive)
    for case in cases:
        with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
            con = case.open(stack, Path(folder))
            if name == CHECK:
                compare_published(con)
            found = _found(con, case, case.check.sql)
            assert found == list(case.bad), f"{name} finds {found}, not {list(case.bad)}"
            alive = [mutant for mutant in alive if _found(con, case, mutant.sql) == list(case.bad)]
    listed = equivalent().get(name, {})
    return Score(
        name,
        total,
        [mutant.name for mutant in alive if mutant.name not in listed],
        [mutant.name for mutant in alive if mutant.name in listed],
    )


def _found(con: DuckDBPyConnection, case: Planted, sql: str) -> list[str] | None:
    """Return the bad rows that a query finds, as texts; None if it cannot be run."""
    (finding,) = run_checks(con, [Check(case.check.name, sql)])
    return None if finding.error else [case.shown(described(row)) for row in finding.rows]


def scores(cases: Iterable[Planted]) -> Iterator[Score]:
    """Yield the score of each check, in the order of its first planted rows."""
    by_check: dict[str, list[Planted]] = {}
    for case in cases:
        by_check.setdefault(case.check.name, []).append(case)
    for name, planted in by_check.items():
        yield score(name, planted)
