"""Refuse to publish files in which a blocking check finds bad rows."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from stockstream.pipeline.checks.files import shipped
from stockstream.pipeline.checks.model import described
from stockstream.pipeline.checks.runner import run_checks
from stockstream.pipeline.errors import CheckFailed

MAX_NAMED = 3
"""Bad rows in the message of a refused publication."""


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
