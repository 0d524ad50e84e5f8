"""`stockstream history`: lists the generations of a lake."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.filesize import decimal

from stockstream.analytics.cli.options import JsonOption, LakeOption, existing_lake
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.pipeline.generation_history import history as generations
from stockstream.pipeline.lake import Lake
from stockstream.sql.errors import ExitCode

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
        _end(rows)
        return
    out = Screen()
    if not rows:
        out.print(f"{opened.uri} has no generation yet: `stockstream consolidate` makes the first", markup=False)
        return
    out.print(LINE.format("generation", "published (UTC)", "batch files", "rows", "size", "by"))
    for row in rows:
        if row["problem"]:
            out.print(f"{row['generation']:>12}  {row['problem']}", markup=False)
            continue
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
    _end(rows)


def lake_history(lake: Lake) -> list[dict[str, Any]]:
    """Return the generations that are kept, the newest first, with their inputs and the size of their tables."""
    entries = generations(lake)
    return [
        {
            "generation": entry.generation,
            "current": entry is entries[0],
            "created_at": entry.created_at,
            "step": entry.step,
            "restores": entry.restores,
            "inputs": list(entry.inputs),
            "tables": {name: table.model_dump() for name, table in entry.tables.items()},
            "writer": entry.writer,
            "problem": entry.problem,
        }
        for entry in entries
    ]


def _end(rows: list[dict[str, Any]]) -> None:
    """Exit with the code of an incomplete answer if a manifest cannot be read."""
    if any(row["problem"] for row in rows):
        raise typer.Exit(ExitCode.PARTIAL)
