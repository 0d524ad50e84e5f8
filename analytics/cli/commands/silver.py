"""`stockstream consolidate` and `resample`: each runs one of the pipeline steps after the fetch on its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.status import Status

from stockstream.analytics.cli.options import JsonOption, LakeOption, existing_lake
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.pipeline.events import ConsolidateResult, DeriveResult, RefreshIndicatorsResult, ResampleResult
from stockstream.pipeline.steps.consolidate import run as consolidate_step
from stockstream.pipeline.steps.resample import run as resample_step


@command("consolidate", Panel.PIPELINE, 50)
def consolidate_command(
    lake: LakeOption = None,
    full: Annotated[bool, typer.Option("--full", help="Rewrite the whole table, not only the new rows.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Merge the new batch files into the consolidated bars, and publish them as a generation.

    Example: stockstream consolidate --lake s3://bucket/prefix
    """
    opened = existing_lake(lake)
    with working("consolidating"):
        result = consolidate_step({"full": full}, opened)
    if as_json:
        print(json.dumps(result))
    else:
        show_consolidated(Screen(), result)


@command("resample", Panel.PIPELINE, 60)
def resample_command(
    lake: LakeOption = None,
    interval: Annotated[
        list[str] | None,
        typer.Option(help="3d, 34d, weekly or monthly. May be repeated.", show_default="$STOCKSTREAM_RESAMPLE"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Update the resampled bars from the consolidated bars, all intervals at once.

    Example: stockstream resample --interval 5d --interval weekly
    """
    opened = existing_lake(lake)
    with working("resampling"):
        result = resample_step({"intervals": interval}, opened)
    if as_json:
        print(json.dumps(result))
    else:
        show_resampled(Screen(), result)


def show_consolidated(out: Screen, result: ConsolidateResult) -> None:
    """Print the result of a consolidation as text."""
    if result["generation"] is None:
        out.print("silver     up to date: no batch file is new")
        return
    how = "all rows rewritten" if result["compacted"] else f"{result['restated']} symbols with a changed past"
    out.print(
        f"silver     generation {result['generation']}: {result['inputs']} batch files merged, "
        f"{result['rows']:,} rows written ({how})"
    )
    for file in result["damaged"]:
        out.print(f"           left out: {file}", markup=False)
    for change in result["replaced"]:
        out.print(f"           changed since it was consolidated: {change}", markup=False)
    if result["damaged"]:
        out.print("           `stockstream repair` restores the bars that only these files have")


def show_resampled(out: Screen, result: ResampleResult) -> None:
    """Print the result of a resampling as text."""
    if result["generation"] is None:
        if not result.get("failed"):
            out.print("resampled  up to date")
        return
    tables = ", ".join(name.removeprefix("bars_") for name in result["tables"])
    rows = sum(table["rows"] for table in result["tables"].values())
    out.print(f"resampled  generation {result['generation']}: {tables}, {rows:,} rows written")
    for name, report in result["tables"].items():
        show_rebuilt(out, name, report.get("rebuilt"))


def show_refreshed(out: Screen, result: RefreshIndicatorsResult) -> None:
    """Print the result of a refresh of the indicators as text."""
    if result["generation"] is None:
        if not result.get("failed"):
            out.print("indicators up to date")
        return
    how = "all days" if result["whole"] else "the newest days"
    out.print(f"indicators generation {result['generation']}: {result['rows']:,} rows written ({how})")
    show_rebuilt(out, "indicators", result.get("rebuilt"))


def show_derived(out: Screen, results: Mapping[str, DeriveResult]) -> None:
    """Print the results of the other derived tables of a run as text."""
    for name, result in results.items():
        for report in result["tables"].values():
            how = "all rows" if report["whole"] else "the newest rows"
            out.print(f"{name:<10} generation {result['generation']}: {report['rows']:,} rows written ({how})")
            show_rebuilt(out, name, report.get("rebuilt"))


def show_rebuilt(out: Screen, table: str, reason: str | None) -> None:
    """Print why a table was computed from the beginning, if a file of it was gone or damaged."""
    if reason:
        out.print(f"           {table} was computed from the beginning: {reason}", markup=False)


def working(what: str) -> Status:
    """Return a spinner that is shown at a terminal only."""
    return Screen(stderr=True, quiet=not sys.stderr.isatty()).status(what)
