"""`stockstream history`: lists the generations of a lake."""

from __future__ import annotations

import json
from typing import Any

from rich.filesize import decimal

from stockstream.analytics.cli.options import JsonOption, LakeOption, existing_lake
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.pipeline.generations import history as generations
from stockstream.pipeline.lake import Lake

LINE = "{:>12}  {:19}  {:>11}  {:>14}  {:>9}  {}"


@command("history", Panel.QUERY, 40)
def history_command(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """List the generations that are kept, the newest first: when and by which step each was published, and its size.

    Example: stockstream history --lake s3://bucket/prefix --json
    """
    opened = existing_lake(lake)
    rows = lake_history(opened)
    if as_json:
        print(json.dumps(rows))
        return
    out = Screen()
    if not rows:
        out.print(f"{opened.uri} has no generation yet: `stockstream consolidate` makes the first", markup=False)
        return
    out.print(LINE.format("generation", "published (UTC)", "batch files", "rows", "size", "by"))
    for row in rows:
        tables = row["tables"].values()
        new_tables = [name for name, table in row["tables"].items() if table["generation"] == row["generation"]]
        out.print(
            LINE.format(
                f"{'* ' if row['current'] else ''}{row['generation']}",
                row["created_at"][:19].replace("T", " "),
                len(row["inputs"]),
                f"{sum(table['rows'] for table in tables):,}",
                decimal(sum(table["bytes"] for table in tables)),
                row["step"]
                + (f" to {row['restores']}" if row["restores"] else "")
                + f": {', '.join(new_tables) or '-'}",
            )
        )
    out.print("* is what readers see; --as-of N reads another one, `stockstream rollback N` makes it what readers see")


def lake_history(lake: Lake) -> list[dict[str, Any]]:
    """Return the generations that are kept, the newest first, with their inputs and the size of their tables."""
    manifests = generations(lake)
    return [
        {
            "generation": manifest.generation,
            "current": manifest is manifests[0],
            "created_at": manifest.created_at,
            "step": manifest.step,
            "restores": manifest.restores,
            "inputs": list(manifest.inputs),
            "tables": {
                name: {
                    "rows": sum(file.rows for file in table.files),
                    "bytes": sum(file.bytes for file in table.files),
                    "files": len(table.files),
                    "generation": table.generation,
                    "sql": table.sql,
                }
                for name, table in manifest.tables.items()
            },
            "writer": manifest.writer,
        }
        for manifest in manifests
    ]
