"""`stockstream repair`: verifies every object of a lake, and mends what is damaged."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from stockstream.analytics.cli.options import JsonOption, LakeOption, existing_lake, progress
from stockstream.analytics.cli.registry import Panel, command
from stockstream.pipeline.markets import market as market_by_name
from stockstream.pipeline.repair import Loss, RepairResult, repair_lake

SHOWN = 20
"""Maximum number of losses printed; --json lists all."""


@command("repair", Panel.UPKEEP, 12)
def repair_command(
    lake: LakeOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Repair; without it, print what is damaged.")] = False,
    market: Annotated[
        str | None, typer.Option(help="ASX or US, if the lake no longer says so.", show_default="the lake's")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every object of a lake with what was stored, and mend what is damaged. A dry run by default.

    Silver is computed again from the batch files. What cannot be mended is set aside as damaged/KEY.
    Exit codes: 0 nothing is damaged, or all is mended; 1 damage that is not mended; 3 mended, but something is lost.

    Example: stockstream repair --apply
    """
    opened = existing_lake(lake)
    with progress("verifying") as update:
        result = repair_lake(opened, apply, market_by_name(market) if market else None, update)
    if as_json:
        print(json.dumps(result))
    else:
        show_repair(Console(soft_wrap=True, highlight=False), opened.uri, result)
    raise typer.Exit(result["exit"])


def show_repair(out: Console, lake: str, result: RepairResult) -> None:
    """Print the result of a repair as text."""

    def line(text: str) -> None:
        out.print(text, markup=False)

    for finding in result["findings"]:
        state = "mended " if finding["repaired"] else "damaged"
        line(f"{state}    {finding['object']}: {finding['problem']}")
        line(f"           {finding['action']}")
    for note in result["notes"]:
        line(f"note       {note}")
    for loss in result["lost"][:SHOWN]:
        line(f"lost       {_described(loss)}")
    if len(result["lost"]) > SHOWN:
        line(f"           and {len(result['lost']) - SHOWN} more: --json lists all")
    for again in dict.fromkeys(loss["command"] for loss in result["lost"] if loss["command"]):
        line(f"to fetch it again: {again}")
    if not result["findings"]:
        line(f"{lake}: {result['objects']} objects verified, nothing is damaged")
    elif result["dry_run"]:
        line("nothing was changed: run it with --apply")


def _described(loss: Loss) -> str:
    """Return a loss as text: what, of which symbol and days, and the file that had it."""
    days = loss["days"]
    number = f"{loss['rows']:,} " if loss["rows"] is not None else ""
    which = f" of {loss['symbol']}" if loss["symbol"] else ""
    when = f", {', '.join(days)}" if days and (loss["rows"] or 0) <= len(days) else ""
    when = when or (f", {days[0]} to {days[-1]}" if days else "")
    return f"{number}{loss['what']}{which}{when} ({loss['object']})"
