"""`stockstream check`: SQL that returns bad rows, on a lake."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from duckdb import DuckDBPyConnection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stockstream.analytics.cli.options import JsonOption, LakeOption, lake_uri
from stockstream.pipeline.checks import Check, Finding, described, find, run_checks, shipped
from stockstream.pipeline.lake import Lake
from stockstream.sql.session import LakeWarning

SHOWN = 3


def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="SQL files, or folders of them.", show_default="those that we ship")
    ] = None,
    sql: Annotated[str | None, typer.Option("--sql", help="A query of your own: every row of it is bad.")] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run data checks: SQL that returns the bad rows. Exit code 1 if one of severity fail has any, or cannot be run.

    Example: stockstream check --sql "SELECT symbol, date FROM bars WHERE volume IS NULL"
    """
    own = [Check("--sql", sql)] if sql is not None else []
    checks = find(paths) if paths else [] if own else shipped()
    opened = Lake(lake_uri(lake))
    with opened.session() as con:
        if con.execute("SELECT len(raw_files()) + cardinality(getvariable('silver'))").fetchall() == [(0,)]:
            warnings.warn(f"{opened.uri} holds no bars: the checks have nothing to look at", LakeWarning, stacklevel=1)
        findings = _run(con, [*checks, *own])
    failed = any(finding.failed for finding in findings)
    if as_json:
        result = {"lake": opened.uri, "status": "failed" if failed else "ok", "checks": list(map(_as_json, findings))}
        print(json.dumps(result))
    else:
        _show(findings)
    raise typer.Exit(1 if failed else 0)


def _run(con: DuckDBPyConnection, checks: list[Check]) -> list[Finding]:
    """Run them with a progress bar on standard error, which a pipe or a log does not see."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        return list(bar.track(run_checks(con, checks), total=len(checks), description="checking"))


def _as_json(finding: Finding) -> dict[str, Any]:
    """Give a finding for a machine: always the same keys."""
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
    """Print a line for each check, with its first bad rows below each other, for a person."""
    out = Console(soft_wrap=True, highlight=False)
    width = max(len("check"), *(len(finding.check.name) for finding in findings))

    def line(name: str, severity: str, bad_rows: str, what: str) -> None:
        out.print(f"{name:<{width}}  {severity:<8}  {bad_rows:>9}  {what}".rstrip(), markup=False)

    line("check", "severity", "bad rows", "the first of them")
    for finding in findings:
        shown = [finding.error] if finding.error else [described(row) for row in finding.rows[:SHOWN]]
        if finding.bad_rows > SHOWN:
            shown.append(f"and {finding.bad_rows - SHOWN:,} more: --json lists them")
        if finding.bad_rows and finding.check.fix:
            shown.append(f"what to do: {finding.check.fix}")
        count = "error" if finding.error else f"{finding.bad_rows:,}"
        line(finding.check.name, finding.check.severity, count, shown[0] if shown else "")
        for text in shown[1:]:
            line("", "", "", text)
    words = {"fail": "failed", "error": "could not be run", "warn": "warned"}
    counts = {said: sum(finding.status == status for finding in findings) for status, said in words.items()}
    out.print(", ".join([f"{len(findings)} checks", *(f"{count} {said}" for said, count in counts.items() if count)]))
