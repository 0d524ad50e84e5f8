"""`stockstream vacuum`: deletes files that no reader uses any more."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer
from rich.filesize import decimal

from stockstream.analytics.cli.options import JsonOption, LakeOption, existing_lake, parse_age
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.cli.temporary import delete_leftovers, leftovers
from stockstream.pipeline.events import VacuumEvent, VacuumResult
from stockstream.pipeline.steps.vacuum import check_retention
from stockstream.pipeline.steps.vacuum import run as vacuum_step


class Raw(StrEnum):
    """What happens to old batch files."""

    keep = "keep"
    archive = "archive"
    remove = "remove"


@command("vacuum", Panel.UPKEEP, 30)
def vacuum_command(
    lake: LakeOption = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete; without it, print what would be deleted.")] = False,
    retention: Annotated[
        str, typer.Option(help="How long replaced generations are kept: 7d, 36h. At least 1h.")
    ] = "7d",
    raw: Annotated[
        Raw,
        typer.Option(help="What to do with old consolidated batch files; archive keeps their rows in silver/raw."),
    ] = Raw.keep,
    raw_older_than: Annotated[int, typer.Option(min=0, help="Minimum age of these batch files in days.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Delete generations that were replaced long ago, their files, and files of crashed runs. A dry run by default.

    Example: stockstream vacuum --retention 14d --raw archive --delete
    """
    age = parse_age("--retention", retention)
    check_retention(age)
    event: VacuumEvent = {
        "delete": delete,
        "retention_hours": age // timedelta(hours=1),
        "raw": raw.value,
        "raw_older_than_days": raw_older_than,
    }
    opened = existing_lake(lake)
    with Screen(stderr=True, quiet=not sys.stderr.isatty()).status("looking for files to delete"):
        result = vacuum_step(event, opened)
        temporary = delete_leftovers() if delete else leftovers()
    folders = {"folders": len(temporary), "bytes": sum(leftover.bytes for leftover in temporary)}
    if as_json:
        print(json.dumps({**result, "temporary": folders}))
    else:
        _show(Screen(), result, folders)


def _show(out: Screen, result: VacuumResult, temporary: dict[str, int]) -> None:
    would, raw = ("would free" if result["dry_run"] else "freed"), result["raw"]
    gone = f"generations {_range(result['manifests'])}" if result["manifests"] else "no generation"
    out.print(
        f"silver     {would} {decimal(result['bytes'])}: {result['files']} files of {gone}, "
        f"{result['orphans']} of crashed runs"
    )
    if raw["mode"] != "keep":
        what = {"archive": "archived in silver/raw", "remove": "removed"}[raw["mode"]]
        out.print(f"raw-data   {would} {decimal(raw['bytes'])}: {raw['files']} batch files, {what}")
    if temporary["folders"]:
        out.print(
            f"temporary  {would} {decimal(temporary['bytes'])}: {temporary['folders']} folders of killed processes"
        )
    out.print(f"kept       generations {_range(result['kept']) or 'none'}")
    if result["dry_run"]:
        out.print("nothing was deleted: run it with --delete")


def _range(numbers: list[int]) -> str:
    if len(numbers) < 2:
        return "".join(map(str, numbers))
    return f"{numbers[0]} to {numbers[-1]}"
