"""Data checks: SQL that returns bad rows, run on a lake, or on files that are about to be published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import CheckFailed, UsageError
from stockstream.sql.loader import HOME, read
from stockstream.sql.session import explain

FOLDER = HOME / "checks"
SEVERITIES = ("fail", "warn")
MAX_ROWS = 10_000
"""Bad rows that a finding has as rows; all of them are counted."""
MAX_NAMED = 3
"""Bad rows in the message of a refused publication."""


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


@dataclass(frozen=True)
class Finding:
    """The result of a check: the number of bad rows and the first MAX_ROWS of them, or why it could not run."""

    check: Check
    bad_rows: int
    rows: Sequence[dict[str, Any]]
    """Values by column, as JSON has them: dates are texts, and so are numbers that are not finite."""
    error: str | None = None

    @property
    def status(self) -> str:
        """Return ok, warn, fail, or error for a check that could not run."""
        if self.error is not None:
            return "error"
        return self.check.severity if self.bad_rows else "ok"

    @property
    def failed(self) -> bool:
        """Return whether this is a failure; a check that could not run has not passed."""
        return self.status in ("fail", "error")


def shipped() -> list[Check]:
    """Return the checks of `sql/checks`."""
    return find([FOLDER])


def find(paths: Iterable[Path]) -> list[Check]:
    """Return the checks in .sql files and in folders of such files, sorted by name within a folder.

    A header is optional: a file without one is a check of severity `fail` with the name of the file.

    Raises:
        UsageError: a file or folder does not exist, a folder has no check, or a header is wrong.
    """
    checks = []
    for path in paths:
        files = sorted(path.rglob("[!.]*.sql")) if path.is_dir() else [path]
        if not files:
            raise UsageError(f"{path} has no .sql file: name a folder of checks, or a check")
        checks += [_read(file) for file in files]
    return checks


def run_checks(con: DuckDBPyConnection, checks: Iterable[Check]) -> Iterator[Finding]:
    """Run checks in their order on a session of a lake; yields the finding of each.

    Raises:
        LakeError: S3 cannot be read.
    """
    for check in checks:
        try:
            yield _run(con, check)
        except duckdb.HTTPException as error:
            lake = con.execute("SELECT getvariable('lake')").fetchall()[0][0]
            raise explain(error, lake) from None
        except duckdb.Error as error:
            yield Finding(check, 0, (), " ".join(str(error).split("\n\nLINE ")[0].split()))


def refuse(con: DuckDBPyConnection) -> None:
    """Run the blocking checks on a session that reads the files that are about to be published.

    Raises:
        CheckFailed: one of them finds bad rows, or cannot run.
    """
    for finding in run_checks(con, [check for check in shipped() if check.blocking]):
        if finding.failed:
            details = finding.error or "; ".join(map(described, finding.rows[:MAX_NAMED]))
            more = ", ..." if finding.bad_rows > MAX_NAMED else ""
            raise CheckFailed(
                f"nothing was published, as {finding.check.name} finds {finding.bad_rows} bad rows ({details}{more}): "
                f"{finding.check.fix}; then run `stockstream consolidate`. Until then the views serve the old "
                "generation and the new batch files"
            )


def described(row: dict[str, Any]) -> str:
    """Return a bad row as text: its values, without those that are NULL."""
    return " ".join(str(value) for value in row.values() if value is not None)


def _read(path: Path) -> Check:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the check {path}: {getattr(error, 'strerror', None) or error}") from None
    if not text.startswith("/* ---"):
        return Check(path.stem, text)
    try:
        header = read(path).header
        severity = header.get("severity", "fail")
    except (ValueError, AttributeError):
        raise UsageError(f"the header of the check {path} is not /* --- YAML --- */ with `severity: fail`") from None
    if severity not in SEVERITIES:
        raise UsageError(f"the check {path} has severity {severity}: write {' or '.join(SEVERITIES)}")
    return Check(
        path.stem, text, severity, header.get("title", ""), header.get("fix", ""), bool(header.get("blocking", False))
    )


def _run(con: DuckDBPyConnection, check: Check) -> Finding:
    statements = con.extract_statements(check.sql)
    if not statements or statements[-1].type != duckdb.StatementType.SELECT:
        return Finding(check, 0, (), "it does not end with a SELECT of the bad rows")
    for statement in statements:
        con.execute(statement)
    names = [column[0] for column in con.description or ()]
    rows = [dict(zip(names, map(_plain, row), strict=True)) for row in con.fetchmany(MAX_ROWS)]
    bad_rows = len(rows)
    while more := con.fetchmany(MAX_ROWS):
        bad_rows += len(more)
    return Finding(check, bad_rows, rows)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)
