"""`stockstream check`: runs data checks on a lake. A check is a query that returns bad rows."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from duckdb import DuckDBPyConnection
from rich.console import Console

from stockstream.analytics.cli.options import JsonOption, LakeOption, existing_lake, progress_bar
from stockstream.analytics.cli.registry import Panel, command
from stockstream.pipeline.checks import Check, Finding, described, find, run_checks, shipped
from stockstream.sql.session import LakeWarning

SHOWN = 3
"""Maximum number of bad rows printed per check."""


@command("check", Panel.UPKEEP, 10)
def check_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="SQL files, or folders of them.", show_default="the shipped checks")
    ] = None,
    sql: Annotated[
        str | None, typer.Option("--sql", help="Another check: each row that this query returns is bad.")
    ] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run data checks. Exit code 1 if a check of severity fail returns rows, or cannot be run.

    Example: stockstream check --sql "SELECT symbol, date FROM bars WHERE volume IS NULL"
    """
    query = [Check("--sql", sql)] if sql is not None else []
    checks = find(paths) if paths else [] if query else shipped()
    opened = existing_lake(lake)
    with opened.session() as con:
        if con.execute("SELECT len(raw_files()) + cardinality(getvariable('silver'))").fetchall() == [(0,)]:
            warnings.warn(f"{opened.uri} holds no bars: there is nothing to check", LakeWarning, stacklevel=1)
        findings = _run(con, [*checks, *query])
    failed = any(finding.failed for finding in findings)
    if as_json:
        result = {"lake": opened.uri, "status": "failed" if failed else "ok", "checks": list(map(_as_json, findings))}
        print(json.dumps(result))
    else:
        _show(findings)
    raise typer.Exit(1 if failed else 0)


def _run(con: DuckDBPyConnection, checks: list[Check]) -> list[Finding]:
    """Run the checks with a progress bar."""
    with progress_bar() as bar:
        return list(bar.track(run_checks(con, checks), total=len(checks), description="checking"))


def _as_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON; the keys are always the same."""
    return {
        "check": finding.check.name,
        "severity": finding.check.severity,
        "status": finding.status,
        "title": finding.check.title,
        "bad_rows": finding.bad_rows,
        "rows": finding.rows,
        "error": finding.error,
        "fix": finding.check.fix,
    }


def _show(findings: list[Finding]) -> None:
    """Print one line per check, followed by its first bad rows."""
    out = Console(soft_wrap=True, highlight=False)
    width = max(len("check"), *(len(finding.check.name) for finding in findings))

    def line(name: str, severity: str, bad_rows: str, what: str) -> None:
        out.print(f"{name:<{width}}  {severity:<8}  {bad_rows:>9}  {what}".rstrip(), markup=False)

    line("check", "severity", "bad rows", "the first of them")
    for finding in findings:
        texts = [finding.error] if finding.error else [described(row) for row in finding.rows[:SHOWN]]
        if finding.bad_rows > SHOWN:
            texts.append(f"and {finding.bad_rows - SHOWN:,} more: --json lists them")
        if finding.bad_rows and finding.check.fix:
            texts.append(f"what to do: {finding.check.fix}")
        count = "error" if finding.error else f"{finding.bad_rows:,}"
        line(finding.check.name, finding.check.severity, count, texts[0] if texts else "")
        for text in texts[1:]:
            line("", "", "", text)
    words = {"fail": "failed", "error": "could not be run", "warn": "warned"}
    counts = {word: sum(finding.status == status for finding in findings) for status, word in words.items()}
    out.print(", ".join([f"{len(findings)} checks", *(f"{count} {word}" for word, count in counts.items() if count)]))
