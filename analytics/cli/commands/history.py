"""`stockstream history`: lists the generations of a lake."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.filesize import decimal

from stockstream.analytics.cli.options import JsonOption, LakeOption, lake_uri
from stockstream.analytics.cli.registry import Panel, command
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.publish import history as generations

LINE = "{:>12}  {:19}  {:>11}  {:>14}  {:>9}  {}"


@command("history", Panel.QUERY, 40)
def history_command(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """List the generations that are kept, the newest first: when, from which files and by which step each was made.

    Example: stockstream history --lake s3://bucket/prefix --json
    """
    opened = Lake(lake_uri(lake))
    found = lake_history(opened)
    if as_json:
        print(json.dumps(found))
        return
    out = Console(highlight=False, soft_wrap=True)
    if not found:
        out.print(f"{opened.uri} has no generation yet: `stockstream consolidate` makes the first", markup=False)
        return
    out.print(LINE.format("generation", "made (UTC)", "batch files", "rows", "size", "by"))
    for made in found:
        tables = made["tables"].values()
        wrote = [name for name, table in made["tables"].items() if table["generation"] == made["generation"]]
        out.print(
            LINE.format(
                f"{'* ' if made['current'] else ''}{made['generation']}",
                made["created_at"][:19].replace("T", " "),
                len(made["inputs"]),
                f"{sum(table['rows'] for table in tables):,}",
                decimal(sum(table["bytes"] for table in tables)),
                made["step"] + (f" to {made['restores']}" if made["restores"] else "") + f": {', '.join(wrote) or '-'}",
            )
        )
    out.print("* is what readers see; --as-of N reads another one, `stockstream rollback N` makes it what readers see")


def lake_history(lake: Lake) -> list[dict[str, Any]]:
    """Give the kept generations, the newest first: what each was made of, by what, and the size of its tables."""
    kept = generations(lake)
    return [
        {
            "generation": made.generation,
            "current": made is kept[0],
            "created_at": made.created_at,
            "step": made.step,
            "restores": made.restores,
            "inputs": list(made.inputs),
            "tables": {
                name: {
                    "rows": sum(file.rows for file in table.files),
                    "bytes": sum(file.bytes for file in table.files),
                    "files": len(table.files),
                    "generation": table.generation,
                    "sql": table.sql,
                }
                for name, table in made.tables.items()
            },
            "writer": made.writer,
        }
        for made in kept
    ]
