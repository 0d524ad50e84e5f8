"""Step 6: the data checks on what has been published."""

from __future__ import annotations

from typing import Any

from stockstream.pipeline.checks import Finding, described, run_checks, shipped
from stockstream.pipeline.lake import Lake

Event = dict[str, Any]

LONGEST = 200
"""Characters of a bad row: the result is handed on by a state machine."""


def check(event: Event, lake: Lake) -> dict[str, Any]:
    """Run the shipped checks on the lake as its readers see it.

    `event` has nothing of interest. Gives `{"checks" (how many), "failed" (any is a failure), "warned"}`, the latter
    two lists of `{"check", "badRows", "first" (bad row, or why the check cannot be run)}`.

    Raises:
        LakeError: the lake cannot be read.
    """
    with lake.session() as con:
        findings = list(run_checks(con, shipped()))
    return {
        "checks": len(findings),
        "failed": [_told(finding) for finding in findings if finding.failed],
        "warned": [_told(finding) for finding in findings if finding.status == "warn"],
    }


def _told(finding: Finding) -> dict[str, Any]:
    first = finding.error or described(finding.rows[0])
    return {"check": finding.check.name, "badRows": finding.bad_rows, "first": first[:LONGEST]}
