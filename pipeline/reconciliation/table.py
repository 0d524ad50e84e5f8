"""The silver table `reconciled`: the rows of the last reconciliation per symbol and other source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stockstream.pipeline.lake import Lake, no_files
from stockstream.pipeline.manifest import Change, Manifest, Table
from stockstream.pipeline.publishing import publish, session_at, sql_versions
from stockstream.pipeline.staging import stage, upload
from stockstream.sql.session import quoted

NAME = "reconciled"
ROW_GROUP = 61_440
SQL = ("schema/reconciled", "steps/reconcile_verdicts")


def publish_rows(lake: Lake, other: str, symbols: Sequence[str], files: Sequence[Path], folder: Path) -> int | None:
    """Publish the rows in `files` instead of the stored ones of these symbols and this other source.

    Returns the number of the generation. `folder` is for the file that is uploaded.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    names = ", ".join(quoted(str(file)) for file in files)
    listed = ", ".join(map(quoted, symbols))

    def make(before: Manifest) -> tuple[Change | None, None]:
        with session_at(lake, before, no_files, f"views/{NAME}") as con:
            query = (
                f"FROM {NAME} WHERE other <> {quoted(other)} OR symbol NOT IN ({listed})"
                f" UNION ALL FROM read_parquet([{names}]) ORDER BY symbol, other, date NULLS FIRST, column_name"
            )
            key = ("symbol", "other", "date", "column_name", "verdict")
            staged = stage(con, query, folder / f"{NAME}.parquet", ROW_GROUP, key, is_sorted=False)
        base = upload(lake, [staged], NAME, "base", before.generation + 1)
        return Change(tables={NAME: Table(base=base, sql=sql_versions(*SQL))}), None

    return publish(lake, "reconcile", make).generation
