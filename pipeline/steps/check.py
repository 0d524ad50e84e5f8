"""Run the data checks on the published data."""

from __future__ import annotations

from stockstream.pipeline.buckets import limit_memory
from stockstream.pipeline.checks import Finding, described, installed, run_checks
from stockstream.pipeline.checks.record import store_findings
from stockstream.pipeline.events import CheckReport, CheckResult, Event
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.staging import staging_folder
from stockstream.sql.session import explained

MAX_CHARACTERS = 200
"""Of a bad row in the result: the state machine hands the result on."""


def run(event: Event, lake: Lake) -> CheckResult:
    """Run all checks on the lake as its readers see it, and store the findings. The event's keys are not used.

    Raises:
        LakeError: The lake cannot be read or written.
    """
    with explained(lake.uri), lake.session() as con, staging_folder() as folder:
        limit_memory(con, folder)
        findings = list(run_checks(con, installed()))
        store_findings(lake, con, findings)
    return {
        "checks": len(findings),
        "failed": [_report(finding) for finding in findings if finding.failed],
        "warned": [_report(finding) for finding in findings if finding.status == "warn"],
    }


def _report(finding: Finding) -> CheckReport:
    first = finding.error or described(finding.rows[0])
    return {"check": finding.check.name, "bad_rows": finding.bad_rows, "first": first[:MAX_CHARACTERS]}
