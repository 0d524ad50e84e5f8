"""`stockstream rollback`: goes back to an earlier generation."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from stockstream.analytics.cli.options import JsonOption, LakeOption, existing_lake
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.pipeline.steps.rollback import run as rollback_step

SHOWN = 10
"""Maximum number of batch files printed per list."""


@command("rollback", Panel.UPKEEP, 20)
def rollback_command(
    generation: Annotated[int, typer.Argument(help="Number of the generation, see `stockstream history`.")],
    lake: LakeOption = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Go back also to a generation that lacks tables which the lake has now.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish the tables of an earlier generation again. Undo it by rolling back to the generation before.

    Batch files that are not part of it are set aside. The next run fetches from its source what is then missing.

    Example: stockstream rollback 41
    """
    result = rollback_step({"generation": generation, "drop_tables": yes}, existing_lake(lake))
    if as_json:
        print(json.dumps(result))
        return
    out = Screen()
    if result["generation"] is None:
        out.print(f"generation {generation} is what the lake holds already: nothing was changed")
        return
    out.print(f"generation {result['generation']} has the tables of generation {generation}")
    for names, what in ((result["set_aside"], "set aside"), (result["taken_back"], "taken back")):
        if names:
            out.print(f"{what:<10} {len(names)} batch files")
            for name in names[:SHOWN]:
                out.print(f"           {name}")
            if len(names) > SHOWN:
                out.print(f"           and {len(names) - SHOWN} more: --json lists all")
