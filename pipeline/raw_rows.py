"""The rows of the batch files and of their archive as the input of a consolidation, instead of silver."""

from __future__ import annotations

import logging
from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.pipeline.buckets import buckets_of
from stockstream.pipeline.lake import RAW, Lake
from stockstream.pipeline.manifest import DataFile, Manifest
from stockstream.pipeline.staging import Parts
from stockstream.pipeline.verification import damaged
from stockstream.sql.loader import load
from stockstream.sql.session import files_of, pick_files, set_silver, set_variable

logger = logging.getLogger(__name__)

ROW_GROUP = 57_344
"""Rows per row group of the file of rows that only silver has."""
ONLY_IN_SILVER = "0001-01-01-silver.parquet"
"""A row without the time of its fetch counts as fetched on the day in the name of its file: before all others."""


def changes(con: DuckDBPyConnection, is_partial: bool = False) -> dict[str, str]:
    """Return the first change per name of a batch file (the variable raw_files) that has changed since consolidation.

    It is compared with the silver of the session, which must be as it was published, and judged by the present rules;
    `is_partial`: files of silver are missing.
    """
    set_variable(con, "is_partial", is_partial)
    rows: dict[str, str] = {}
    for bucket in buckets_of(con, "silver_bars"):
        bucket.select(con)
        for file, detail in con.execute(load("steps/changed_batches").text).fetchall():
            rows.setdefault(file.rsplit("/", 1)[-1], detail)
    return dict(sorted(rows.items()))


def read_raw_only(
    con: DuckDBPyConnection, lake: Lake, before: Manifest, folder: Path, is_judged: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Let the views of a session read the batch files and the archive.

    Returns the reason by URI for files left out, and the change by URI for batch files that have changed since they
    were consolidated, by the intact files of silver, if this `is_judged` by the present rules.

    Silver has only the rows whose batch files were removed: those that its intact files have from a fetch that is
    nowhere else are read as one more batch file. A wrong value in silver is thus replaced by the right one of the raw
    row, whichever of them is larger.

    Raises:
        LakeError: the lake cannot be read.
    """
    bars, archive = before.table("bars"), before.table("raw")
    reasons = damaged(lake, (*bars.files, *archive.files))

    def intact(files: tuple[DataFile, ...]) -> list[str]:
        return [lake.store.uri(file.key) for file in files if file.key not in reasons]

    listed = [file for file in files_of(con, "listed_files") if file.rsplit("/", 1)[-1] not in before.set_aside]
    set_variable(con, "unconsolidated_files", listed)
    pick_files(con, lake.uri)  # leaves out unreadable files
    raw = [*files_of(con, "fresh_files"), *intact(archive.base)]
    set_variable(con, "fresh_files", raw)
    # Without delta, the rows of restated symbols in base are old versions, but better than none.
    restated = bars.restated if len(intact(bars.delta)) == len(bars.delta) else ()
    set_silver(con, {"bars": (intact(bars.base), intact(bars.delta), restated)})
    only = folder / ONLY_IN_SILVER
    parts = Parts(con, only, lambda rows: ROW_GROUP)
    for bucket in buckets_of(con, "silver_bars", sum(file.rows for file in bars.files)):
        bucket.select(con)
        parts.add(load("steps/only_in_silver").text)
    if parts.staged() is not None:
        set_variable(con, "fresh_files", [*raw, str(only)])
    changed = {}
    if bars.files and is_judged:
        inputs = {lake.store.uri(f"{RAW}{name}") for name in before.consolidated}
        set_variable(con, "raw_files", [uri for uri in raw if uri in inputs])
        is_partial = any(file.key in reasons for file in bars.files)
        changed = {lake.store.uri(f"{RAW}{name}"): change for name, change in changes(con, is_partial).items()}
    for uri, change in changed.items():
        logger.warning("%s has changed since it was consolidated, and replaces what silver took: %s", uri, change)
    set_silver(con, {})
    left_out = {lake.store.uri(key): reason for key, reason in reasons.items()}
    for uri, reason in left_out.items():
        logger.warning("%s is left out, as %s: its rows come from the batch files", uri, reason)
    left_out |= dict.fromkeys(files_of(con, "unreadable_files"), "it is no readable batch file")
    return left_out, changed
