"""Data checks: SQL that returns the bad rows, run on a lake, or on what is about to be published."""

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
KEPT = 10_000
"""So many bad rows of a check are given as rows; all are counted."""
NAMED = 3
"""So many are named in the message of a refused publication."""


@dataclass(frozen=True)
class Check:
    """A query that returns bad rows; without severity `fail` they are only a warning."""

    name: str
    sql: str
    severity: str = "fail"
    title: str = ""
    fix: str = ""
    """What a person can do about its bad rows."""
    blocking: bool = False
    """Whether it is run before a generation is published, and a bad row keeps that from happening."""


@dataclass(frozen=True)
class Finding:
    """What a check found: how many bad rows, the first KEPT of them, or why it could not be run."""

    check: Check
    bad_rows: int
    rows: Sequence[dict[str, Any]]
    """Columns by name, as JSON has them: days are texts, numbers that are not finite too."""
    error: str | None = None

    @property
    def status(self) -> str:
        """Give ok, warn, fail, or error for a check that could not be run."""
        if self.error is not None:
            return "error"
        return self.check.severity if self.bad_rows else "ok"

    @property
    def failed(self) -> bool:
        """Tell whether that is a failure; a check that cannot be run has not passed."""
        return self.status in ("fail", "error")


def shipped() -> list[Check]:
    """Give the checks of `sql/checks`."""
    return find([FOLDER])


def find(paths: Iterable[Path]) -> list[Check]:
    """Give the checks of .sql files and of folders with such files, each folder's by name.

    A header is optional: without one a file is a check of severity `fail`, named after the file.

    Raises:
        UsageError: there is no such file or folder, none in the folder, or its header is wrong.
    """
    checks = []
    for path in paths:
        files = sorted(path.rglob("[!.]*.sql")) if path.is_dir() else [path]
        if not files:
            raise UsageError(f"{path} has no .sql file: name a folder of checks, or a check")
        checks += [_read(file) for file in files]
    return checks


def run_checks(con: DuckDBPyConnection, checks: Iterable[Check]) -> Iterator[Finding]:
    """Run checks in their order on a lake's session, and give what each finds.

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
    """Run the blocking checks on a session that sees what is about to be published.

    Raises:
        CheckFailed: one of them finds bad rows, or cannot be run.
    """
    for finding in run_checks(con, [check for check in shipped() if check.blocking]):
        if finding.failed:
            what = finding.error or "; ".join(map(described, finding.rows[:NAMED]))
            more = ", ..." if finding.bad_rows > NAMED else ""
            raise CheckFailed(
                f"nothing was published, as {finding.check.name} finds {finding.bad_rows} bad rows ({what}{more}): "
                f"{finding.check.fix}; then run `stockstream consolidate`. Until then the views serve the old "
                "generation and the new batch files"
            )


def described(row: dict[str, Any]) -> str:
    """Give a bad row in words: its values, without those that are NULL."""
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
    rows = [dict(zip(names, map(_plain, row), strict=True)) for row in con.fetchmany(KEPT)]
    bad_rows = len(rows)
    while more := con.fetchmany(KEPT):
        bad_rows += len(more)
    return Finding(check, bad_rows, rows)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)
