"""Tables made of the consolidated bars: what they were made of, and which part of them has to be made anew.

A derived table follows the parts of the bars: its base stays as long as the bars' base does, its delta is made anew.
"""

from __future__ import annotations

from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import DataFile, Manifest, Table
from stockstream.pipeline.publish import sql_versions, stage, upload


def checkpoint(before: Manifest, *sql: str, **others: str) -> dict[str, str]:
    """Give what a table made now would be made of: the bars' files, SQL files by name, and other inputs' checksums."""
    bars = before.table("bars")
    files = {part: " ".join(file.key for file in of) for part, of in (("base", bars.base), ("delta", bars.delta))}
    return {**files, **others, **sql_versions(*sql)}


def is_whole(held: Table, made_from: dict[str, str]) -> bool:
    """Say whether all of a table has to be made anew, as more than the bars' delta is other than it was."""
    return not held.made_from or any(
        held.made_from.get(part) != of for part, of in made_from.items() if part != "delta"
    )


def write(
    con: DuckDBPyConnection,
    lake: Lake,
    folder: Path,
    before: Manifest,
    table: str,
    rows: str,
    in_base: str | None,
    row_group: int,
) -> tuple[tuple[DataFile, ...], tuple[DataFile, ...]]:
    """Put a relation's rows into the lake as a table's base and delta; give their files.

    `in_base`: the condition of the rows that go into base, all others go into delta; None: base stays as it is.
    """
    kept = before.table(table).base if in_base is None else ()
    parts = {"base": in_base, "delta": f"({in_base}) IS NOT TRUE" if in_base else "true"}
    files = {"base": kept, "delta": ()}
    for role, condition in parts.items():
        if condition and con.execute(f"SELECT count(*) FROM {rows} WHERE {condition}").fetchall() != [(0,)]:
            query = f"FROM {rows} WHERE {condition} ORDER BY symbol, date"
            staged = stage(con, query, folder / f"{role}.parquet", row_group)
            files[role] = upload(lake, [staged], table, role, before.generation + 1)
    return files["base"], files["delta"]


def report(table: Table, whole: bool) -> dict[str, int | bool]:
    """Give what a step tells of a table that it wrote: rows and bytes, and whether all was made anew."""
    files = table.files if whole else table.delta
    return {"rows": sum(file.rows for file in files), "bytes": sum(file.bytes for file in files), "whole": whole}
