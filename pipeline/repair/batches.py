"""The batch files (`raw-data/`) and the values beside them (`quarantine/`), read page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set

from duckdb import DuckDBPyConnection

from stockstream.pipeline.batch_names import from_text
from stockstream.pipeline.lake import QUARANTINE, RAW, Lake, no_files
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.raw_rows import changes
from stockstream.pipeline.repair.model import Finding, Kind
from stockstream.pipeline.repair.reading import declared, local_files, whole_file
from stockstream.sql.session import explained, set_silver, set_variable, unreadable

AT_ONCE = 50
"""Files that are read with one statement."""
_NAME = re.compile(r"\d{4}-\d\d-\d\d(-batch-\d+)?(-part-\d+)?\.parquet", re.ASCII)
_ACTION = "set it aside; the bars that nothing else has are fetched again"


def batch_keys(lake: Lake) -> list[str]:
    """Return the keys of all batch files."""
    return [key for key in lake.store.list(RAW) if _NAME.fullmatch(key.removeprefix(RAW))]


def verify_batches(lake: Lake, con: DuckDBPyConnection, keys: Sequence[str]) -> Iterator[tuple[str, Finding | None]]:
    """Yield the key of each batch file, and the finding about it.

    Raises:
        LakeError: the lake cannot be read.
    """
    for start in range(0, len(keys), AT_ONCE):
        with local_files(lake, keys[start : start + AT_ONCE]) as paths:
            reasons = unreadable(con, lake.uri, list(paths.values()))
            for key, path in paths.items():
                reason = reasons.get(path)
                yield key, Finding(key, f"it cannot be read: {reason}", _ACTION, Kind.BATCH) if reason else None


def gone_batches(lake: Lake, newest: Manifest) -> Iterator[tuple[str, Finding | None]]:
    """Yield the key of each batch file that a manifest has in silver and that is gone, and the finding about it.

    Raises:
        LakeError: the lake cannot be read.
    """
    archived = from_text(newest.table("raw").made_from.get("files", ""))
    unread = {*archived, *newest.set_aside}
    for name in sorted({*newest.consolidated} - unread - {key.removeprefix(RAW) for key in batch_keys(lake)}):
        action = "take its name from the manifest: silver has the newest row of each of its bars"
        yield f"{RAW}{name}", Finding(f"{RAW}{name}", "it is gone", action, Kind.BATCH)


def verify_quarantine(lake: Lake, con: DuckDBPyConnection) -> Iterator[tuple[str, Finding | None]]:
    """Yield the key of each file of values that could not be read, and the finding about it.

    Raises:
        LakeError: the lake cannot be read.
    """
    columns = declared(con, "schema/quarantine")
    for key in lake.store.list(QUARANTINE):
        if _NAME.fullmatch(key.removeprefix(QUARANTINE)):
            with local_files(lake, [key]) as paths:
                problem = whole_file(con, paths[key], columns)
            yield key, Finding(key, problem, "set it aside", Kind.QUARANTINE) if problem else None


def changed_batches(lake: Lake, newest: Manifest, damaged: Set[str]) -> list[Finding]:
    """Return the findings about batch files that have changed since they were consolidated.

    No batch file has a checksum, and most flipped bits read as another value. But silver took its rows from them, and
    silver has checksums, which have been verified. `damaged` are the keys of files that are not as they were.

    Raises:
        LakeError: the lake cannot be read.
    """
    bars = newest.table("bars")
    names = {*newest.consolidated} - {key.removeprefix(RAW) for key in damaged}
    with explained(lake.uri), lake.session(no_files, "views/read_raw", "views/silver_bars") as con:
        existing = [key for key in batch_keys(lake) if key.removeprefix(RAW) in names]
        set_variable(con, "raw_files", [lake.store.uri(key) for key in existing])
        base, delta = (
            [lake.store.uri(file.key) for file in files if file.key not in damaged] for files in (bars.base, bars.delta)
        )
        is_partial = len(base) + len(delta) < len(bars.files)
        set_silver(con, {"bars": (base, delta, () if is_partial else bars.restated)})
        changed = changes(con, is_partial)
    action = "set it aside: silver, which is as it was published, keeps the bar"
    return [
        Finding(f"{RAW}{name}", f"it has changed since it was consolidated: {detail}", action, Kind.BATCH)
        for name, detail in changed.items()
    ]
