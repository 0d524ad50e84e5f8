"""Tiers: the files of a table's base after the first one, each with the days after those of the file before.

A tier takes in the rows of delta that have become old, which costs a fraction of writing base again. No two files of
base have a row in common, so that reading base stays reading a list of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from duckdb import DuckDBPyConnection

from stockstream.pipeline.buckets import buckets_of
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import DataFile
from stockstream.pipeline.staging import Parts, StagedFile
from stockstream.pipeline.verification import damaged
from stockstream.sql.session import quoted
from stockstream.sql.variables import literal

BEGINNING = date(1, 1, 1)
"""A day before all bars: a whole table is written from the day after it."""
MAX_TIERS = 3
"""Each is one file more for the query of a symbol."""


def add_tier(
    con: DuckDBPyConnection,
    lake: Lake,
    base: tuple[DataFile, ...],
    new: StagedFile,
    restated: Sequence[str],
    row_group_size: int,
) -> tuple[tuple[DataFile, ...], StagedFile]:
    """Return the files of base that stay, and the new last one, so that there are at most MAX_TIERS tiers.

    The last one is `new`, or a file that takes in the last tiers, too, without the rows of the restated symbols, which
    are in delta.

    Raises:
        LakeError: one of these tiers is damaged.
    """
    kept = len(base) - _replaced(base, new.rows)
    tiers = base[kept:]
    if not tiers:
        return base, new
    require_intact(lake, tiers)
    uris = [str(new.path), *(lake.store.uri(file.key) for file in tiers)]
    source = f"read_parquet([{', '.join(map(quoted, uris))}])"
    parts = Parts(con, new.path.with_suffix(".merged.parquet"), lambda rows: row_group_size)
    for bucket in buckets_of(con, source, new.rows + sum(file.rows for file in tiers)):
        is_valid = f"{bucket.condition} AND NOT list_contains({literal(restated)}::VARCHAR[], symbol)"
        parts.add(f"FROM {source} WHERE {is_valid} ORDER BY symbol, date")
    return base[:kept], parts.staged() or new


def _replaced(base: Sequence[DataFile], rows: int) -> int:
    """Return how many of the last tiers a new one of `rows` rows takes in.

    It takes in as few as it must, and then those that are not larger than what it has already: a row is then merged
    again only when its tier has about doubled.
    """
    tiers = list(base[1:])
    if len(tiers) < MAX_TIERS:
        return 0
    count = 0
    for tier in reversed(tiers):
        if count > 0 and tier.rows > rows:
            break
        rows += tier.rows
        count += 1
    return count


def require_intact(lake: Lake, files: Sequence[DataFile]) -> None:
    """Compare files that are about to be written again with their manifest.

    Raises:
        LakeError: one of them is not what was published; its rows would be published as if they were right.
    """
    for key, reason in damaged(lake, files).items():
        raise LakeError(f"{lake.store.uri(key)} is damaged ({reason}): nothing was published, run `stockstream repair`")
