"""A check, and the finding that running it returns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stockstream.pipeline.display import shown_cell

SEVERITIES = ("fail", "warn")
MAX_ROWS = 10_000
"""Bad rows that a finding has as rows; all of them are counted."""


@dataclass(frozen=True)
class Tolerance:
    """The number of bad rows, or the share of the checked rows, up to which a check passes."""

    rows: int = 0
    percent: float | None = None
    """Share of the checked rows; None: `rows` applies."""

    @classmethod
    def parse(cls, text: object) -> Tolerance:
        """Return the tolerance in a text such as `5 rows` or `0.1 %`.

        Raises:
            ValueError: the text has another form.
        """
        match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(%|rows?)?", str(text).strip(), re.ASCII)
        if match is not None and match[2] == "%" and float(match[1]) <= 100:
            return cls(percent=float(match[1]))
        if match is not None and match[2] != "%" and "." not in match[1]:
            return cls(rows=int(match[1]))
        raise ValueError(f"tolerate is {text}: write e.g. 5 rows, or 0.1 %")

    def allows(self, bad_rows: int, checked_rows: int | None) -> bool:
        """Return whether so many bad rows, of so many checked ones, are tolerated."""
        if self.percent is None:
            return bad_rows <= self.rows
        return 100 * bad_rows <= self.percent * (checked_rows or 0)

    def __str__(self) -> str:
        return f"{self.rows} rows" if self.percent is None else f"{self.percent:g} %"


@dataclass(frozen=True)
class Check:
    """A query that returns bad rows, which are a failure or, with severity `warn`, a warning."""

    name: str
    sql: str
    severity: str = "fail"
    title: str = ""
    fix: str = ""
    """What to do about bad rows."""
    blocking: bool = False
    """Whether it runs before a generation is published, and a bad row prevents the publication."""
    tags: tuple[str, ...] = ()
    tolerate: Tolerance = Tolerance()
    rows_of: str = ""
    """The rows that it checks, of which a tolerance in percent is a share: what follows FROM."""
    key: tuple[str, ...] = ()
    """The columns of the result that identify a bad row in a baseline; empty: all but `detail`."""
    date: str = "date"
    """The column of the result that `--since` compares."""
    path: Path | None = None
    line: int = 1
    error: str | None = None
    """Why it cannot be run, if its file says something that cannot be."""


@dataclass(frozen=True)
class Finding:
    """The result of a check: the number of bad rows and the first MAX_ROWS of them, or why it could not run."""

    check: Check
    bad_rows: int
    rows: Sequence[dict[str, Any]]
    """Values by column, as JSON has them: dates are texts, and so are numbers that are not finite."""
    error: str | None = None
    known_rows: int = 0
    """Bad rows that are in the baseline, and in no other number."""
    checked_rows: int | None = None
    """Rows that were checked, if the tolerance is a share of them."""

    @property
    def status(self) -> str:
        """Return ok, warn, fail, or error for a check that could not run."""
        if self.error is not None:
            return "error"
        return "ok" if self.check.tolerate.allows(self.bad_rows, self.checked_rows) else self.check.severity

    @property
    def failed(self) -> bool:
        """Return whether this is a failure; a check that could not run has not passed."""
        return self.status in ("fail", "error")

    @property
    def notes(self) -> list[str]:
        """Return what a reader must know about the number of bad rows: tolerated or known ones."""
        notes = []
        if self.bad_rows and self.status == "ok":
            of = f" of {self.checked_rows:,} rows" if self.checked_rows is not None else ""
            notes.append(f"{self.bad_rows:,}{of} tolerated ({self.check.tolerate})")
        if self.known_rows:
            notes.append(f"{self.known_rows:,} in the baseline")
        return notes


def described(row: dict[str, Any]) -> str:
    """Return a bad row as text: its values, without those that are NULL."""
    return shown_cell(" ".join(str(value) for value in row.values() if value is not None))


def exit_code(findings: Sequence[Finding]) -> int:
    """Return the exit code of a run: 4 if a check could not be run, else 1 if one failed, else 0.

    4 has precedence, because 1 promises that all checks ran and that the bad rows which are listed are all of them.
    """
    statuses = {finding.status for finding in findings}
    return 4 if "error" in statuses else 1 if "fail" in statuses else 0
