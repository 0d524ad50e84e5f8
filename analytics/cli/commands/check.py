"""`stockstream check`: runs data checks on a lake or other tables. A check is a query that returns bad rows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from duckdb import DuckDBPyConnection

from stockstream.analytics.cli.check_reports import Output, parse_output, print_findings, print_sql, write_outputs
from stockstream.analytics.cli.options import JsonOption, LakeOption, day_option, existing_lake, progress_bar
from stockstream.analytics.cli.registry import Panel, command
from stockstream.pipeline.checks import Check, Finding, Options, find, installed, run_checks
from stockstream.pipeline.checks.baseline import Baseline
from stockstream.pipeline.checks.model import exit_code
from stockstream.pipeline.checks.record import store_findings
from stockstream.pipeline.checks.selection import choose
from stockstream.pipeline.checks.tables import add_tables, lock, open_database, parse_table
from stockstream.pipeline.errors import LakeError, UsageError
from stockstream.pipeline.lake import Lake
from stockstream.sql.errors import did_you_mean
from stockstream.sql.session import LakeWarning


class Format(Enum):
    """What is printed on standard output."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"
    GITHUB = "github"
    MARKDOWN = "markdown"


@command("check", Panel.UPKEEP, 10)
def check_command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="SQL files, YAML files of rules, or folders of them.", show_default="the shipped checks"),
    ] = None,
    sql: Annotated[
        str | None, typer.Option("--sql", help="Another check: each row that this query returns is bad.")
    ] = None,
    lake: LakeOption = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILES", help="A table on Parquet, CSV or JSON files, also on S3. Without --lake: no lake."
        ),
    ] = None,
    database: Annotated[
        Path | None, typer.Option(help="Check the tables of a DuckDB file instead of a lake.", show_default=False)
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only checks of this name; * is allowed.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="No check of this name; * is allowed.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only checks with this tag.")] = None,
    since: Annotated[date | None, day_option("--since", "Only bad rows of this date or later.")] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="A file of bad rows that are not reported again.", show_default=False)
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option(help="Write the bad rows into such a file.", show_default=False)
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Write the bad rows into this folder, CHECK.parquet.", show_default=False)
    ] = None,
    format: Annotated[Format, typer.Option(help="What to print.")] = Format.TABLE,
    output: Annotated[
        list[str] | None,
        typer.Option(metavar="[FORMAT:]FILE", help="Also write FILE; .xml is JUnit, .json and .md what they say."),
    ] = None,
    show_sql: Annotated[
        bool, typer.Option("--show-sql", help="Print the SQL of the checks instead of running it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run data checks on a lake, or on files and DuckDB databases.

    Exit codes: 0 passed or warned, 1 bad rows, 2 wrong usage or no lake, 4 (not 1) a check could not be run.

    Example: stockstream check my-checks/ --table bars=bars.parquet --output junit.xml
    """
    outputs = [parse_output(text) for text in output or ()]
    checks = choose(_checks(paths or [], sql, bool(table or database)), select or (), exclude or (), tag or ())
    if show_sql:
        print_sql(checks)
        return
    con, opened, subject = _open(lake, list(map(parse_table, table or ())), database)
    with con:
        prefix = opened.uri if opened else ""
        accepted = Baseline.read(baseline, prefix) if baseline else Baseline(lake=prefix) if write_baseline else None
        findings = _run(con, checks, Options(since, accepted, store))
        if opened is not None:
            _record(opened, con, findings)
    if accepted is not None and write_baseline is not None:
        accepted.write(write_baseline)
    write_outputs(findings, subject, outputs)
    print_findings(findings, subject, "json" if as_json else format.value)
    if format is Format.GITHUB and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        write_outputs(findings, subject, [Output("markdown", Path(summary), append=True)])
    raise typer.Exit(exit_code(findings))


def _checks(paths: Sequence[Path], sql: str | None, needs_paths: bool) -> list[Check]:
    """Return the checks that the command line names; without names those that are shipped, which need a lake.

    Raises:
        UsageError: as in `find`; or there is no name, but tables that are no lake.
    """
    query = [Check("--sql", sql)] if sql is not None else []
    if not paths and not query:
        if needs_paths:
            raise UsageError("name files or folders of checks, or --sql: the shipped checks are for lakes")
        return installed()
    for path in paths:
        names = [check.name for check in installed()]
        if not path.exists() and (path.name in names or did_you_mean(path.name, names)):
            hint = path.name if path.name in names else did_you_mean(path.name, names).removeprefix("; did you mean ")
            raise UsageError(
                f"there is no file {path}: one of the shipped checks is run with --select {hint.rstrip('?')}"
            )
    return [*find(paths), *query]


def _open(
    lake: str | None, tables: list[tuple[str, str]], database: Path | None
) -> tuple[DuckDBPyConnection, Lake | None, str]:
    """Return a locked connection on the lake, or on the tables; with the lake if there is one, and its name.

    Raises:
        UsageError: a table cannot be opened, or there is no lake.
    """
    if database is not None and lake is not None:
        raise UsageError("--database and --lake: write one of them; --table adds tables to either")
    if lake is None and (tables or database):
        con = open_database(database)
        files = add_tables(con, tables)
        lock(con, files)
        return con, None, str(database) if database else ", ".join(name for name, _ in tables)
    opened = existing_lake(lake)
    con = opened.session()
    files_of_bars = "len(raw_files()) + len(getvariable('unreadable_files')) + cardinality(getvariable('silver'))"
    if con.execute(f"SELECT {files_of_bars}").fetchall() == [(0,)]:
        con.close()
        raise UsageError(f"{opened.uri} holds no bars: there is nothing to check; name a lake with --lake")
    files = add_tables(con, tables)
    lock(con, files, opened.uri)
    return con, opened, opened.uri


def _run(con: DuckDBPyConnection, checks: list[Check], options: Options) -> list[Finding]:
    """Run the checks with a progress bar."""
    with progress_bar() as bar:
        return list(bar.track(run_checks(con, checks, options), total=len(checks), description="checking"))


def _record(lake: Lake, con: DuckDBPyConnection, findings: list[Finding]) -> None:
    """Store the findings in the lake, or warn: a lake that cannot be written can be checked."""
    try:
        store_findings(lake, con, [finding for finding in findings if finding.check.name != "--sql"])
    except (LakeError, OSError) as error:
        warnings.warn(f"the findings are not stored in the lake: {error}", LakeWarning, stacklevel=1)
