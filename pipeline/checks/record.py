"""Store the findings of checks in the lake: state/checks/NNNNNN.json, one file per generation of silver."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from stockstream.pipeline.checks.model import Finding
from stockstream.pipeline.lake import Lake, check_key
from stockstream.pipeline.store import Stored

MAX_STORED = 100
"""Bad rows per check in the file; all of them are counted."""


def store_findings(lake: Lake, con: DuckDBPyConnection, findings: Iterable[Finding]) -> str:
    """Store findings with the generation that a session of the lake reads; return the key of the file.

    A check that has run on this generation before is replaced if its result is another one, the others stay: a run that
    finds the same writes nothing. Concurrent runs lose nothing.

    Raises:
        LakeError: the lake cannot be written.
    """
    generation = int(con.execute("SELECT getvariable('manifest').generation").fetchall()[0][0] or 0)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    results = {finding.check.name: as_json(finding, MAX_STORED) for finding in findings}

    def merged(before: Stored | None) -> bytes | None:
        try:
            checks = {one["check"]: one for one in json.loads(before.data)["checks"]} if before else {}
        except (ValueError, KeyError, TypeError):
            checks = {}  # it is damaged, and what it had can be computed again
        for name, result in results.items():
            if name not in checks or checks[name] != {"checked_at": checks[name].get("checked_at")} | result:
                checks[name] = {"checked_at": now} | result
        return json.dumps({"generation": generation, "checks": [checks[name] for name in sorted(checks)]}).encode()

    key = check_key(generation)
    lake.update(key, merged)
    return key


def as_json(finding: Finding, max_rows: int | None = None) -> dict[str, Any]:
    """Return a finding as JSON, with its first `max_rows` bad rows; the keys are always the same."""
    return {
        "check": finding.check.name,
        "severity": finding.check.severity,
        "status": finding.status,
        "title": finding.check.title,
        "tags": list(finding.check.tags),
        "bad_rows": finding.bad_rows,
        "known_rows": finding.known_rows,
        "checked_rows": finding.checked_rows,
        "tolerate": str(finding.check.tolerate),
        "rows": list(finding.rows[:max_rows]),
        "error": finding.error,
        "fix": finding.check.fix,
    }
