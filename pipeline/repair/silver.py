"""The files of the silver tables, compared with the manifests that name them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import DataFile
from stockstream.pipeline.repair.aside import is_set_aside
from stockstream.pipeline.repair.manifests import Generations
from stockstream.pipeline.repair.model import Finding, Kind
from stockstream.pipeline.verification import damaged

ARCHIVE = "raw"
"""The table with the rows of archived batch files, which nothing can compute."""
_ACTIONS = {
    "bars": "consolidate all batch files and the archive again, and set it aside",
    "metadata": "merge all lists of companies again, and set it aside",
    "reconciled": "set it aside; `stockstream reconcile` computes it again",
    ARCHIVE: "set it aside; silver has the newest row of each of its bars",
}


@dataclass(frozen=True)
class Published:
    """A file of a silver table, and the generations that name it."""

    file: DataFile
    table: str
    generations: tuple[int, ...]
    """The newest first."""


def published_files(generations: Generations) -> dict[str, Published]:
    """Return every file that a kept generation names, by key."""
    files: dict[str, Published] = {}
    for manifest in generations.readable:
        for name, table in manifest.tables.items():
            for file in table.files:
                earlier = files[file.key].generations if file.key in files else ()
                files[file.key] = Published(file, name, (*earlier, manifest.generation))
    return files


def verify_silver(lake: Lake, generations: Generations) -> Iterator[tuple[str, Finding | None]]:
    """Yield the key of each published file, and the finding about it.

    Raises:
        LakeError: the lake cannot be read.
    """
    newest = generations.newest.generation
    for key, published in published_files(generations).items():
        reason = damaged(lake, [published.file]).get(key)
        if reason is None or (newest not in published.generations and is_set_aside(lake, key)):
            yield key, None
        elif newest in published.generations:
            action = _ACTIONS.get(published.table, "compute the table again from the bars, and set it aside")
            yield key, Finding(key, reason, action, Kind.SILVER)
        else:
            numbers = ", ".join(map(str, published.generations))
            action = f"set it aside: only earlier generations have it ({numbers}), and can no longer be read"
            yield key, Finding(key, reason, action, Kind.KEPT)
