"""Publish a generation: upload the new files, then the numbered manifest (the commit), then the pointer.

Readers see either the old or the new generation, and always a complete one. A writer that dies before the commit leaves
files that no manifest names; `vacuum` deletes them.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import Conflict, LakeError
from stockstream.pipeline.generations import head, point_to
from stockstream.pipeline.lake import Lake, manifest_key
from stockstream.pipeline.manifest import Change, Manifest
from stockstream.sql.loader import load
from stockstream.sql.session import FileFilter, explained

logger = logging.getLogger(__name__)

ATTEMPTS = 20
"""Maximum number of attempts to commit before other writers."""

Report = TypeVar("Report")


@dataclass(frozen=True)
class Published(Generic[Report]):
    """The outcome of `publish`."""

    generation: int | None
    """The number of the new generation; None if nothing was published."""
    report: Report
    """The report that `make` returned, whether a generation was published or not."""


def publish(lake: Lake, step: str, make: Callable[[Manifest], tuple[Change | None, Report]]) -> Published[Report]:
    """Commit the change that `make(head)` returns; publish nothing if the change is None.

    `make` uploads its new files, and returns the change of the manifest that names these files, and a report. When
    another writer commits first, `make` is called again with the newest generation; it may raise Conflict itself if it
    notices that.

    Raises:
        LakeError: the lake cannot be read or written, or other writers committed first in all attempts.
        Any error that `make` raises, other than Conflict.
    """
    for _ in range(ATTEMPTS):
        before = head(lake)
        try:
            with explained(lake.uri):  # S3 is unavailable, a file is damaged, the disk is full
                change, report = make(before)
        except Conflict:
            continue
        if change is None:
            return Published(None, report)
        manifest = before.next(change, step)
        try:
            lake.store.put(manifest_key(manifest.generation), manifest.to_json(), replaces=None)
        except Conflict:
            logger.info("generation %d was taken: %s starts again from it", manifest.generation, step)
            continue
        point_to(lake, manifest)
        logger.info("%s: generation %d", step, manifest.generation)
        return Published(manifest.generation, report)
    raise LakeError(f"{lake.uri}: other writers publish all the time: run {step} again later")


def candidate(before: Manifest, change: Change) -> Manifest:
    """Return the newest generation as it will be with a change that is not published yet, under its present number.

    The next step of a run computes its own change from it: the files that the change names are in the lake already.
    """
    return before.next(change, before.step).model_copy(update={"generation": before.generation})


def session_at(
    lake: Lake, manifest: Manifest, file_filter: FileFilter | None = None, *steps: str
) -> DuckDBPyConnection:
    """Open a session that reads the files of `manifest`, and the batch files that are not in it.

    The manifest need not be published: see `candidate`. `file_filter` selects the batch files (default: all). The
    session has the views that `steps` need ("steps/news"; default: all views).

    Raises:
        LakeError: the lake cannot be read.
    """
    newest = manifest.model_copy(update={"generation": manifest.generation + 1})  # its number when it is published
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        file = Path(folder, "manifest.json")
        file.write_bytes(newest.to_json())
        return lake.session(file_filter, *steps, manifest=str(file))


def sql_versions(*names: str) -> dict[str, str]:
    """Return the SHA-256 (16 digits) of the text of SQL files, by their names below `sql/` without suffix."""
    return {name: hashlib.sha256(load(name).text.encode()).hexdigest()[:16] for name in names}
