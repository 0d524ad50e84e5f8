"""The pointer: the newest manifest, and what readers on S3 would otherwise need requests for (its key `readers`).

`sql.session.pointer` describes the key and reads it. The pointer is at most 256 KB: the indexes of files that do not
fit are left out, and readers then request their footers.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import CURRENT, QUARANTINE, RAW_EVENTS, SESSIONS, Lake
from stockstream.pipeline.manifest import Manifest, Table
from stockstream.pipeline.sealing import seal
from stockstream.pipeline.store import Stored
from stockstream.sql.session.file_index import index_of

MAX_INDEXES = 150_000
"""Bytes of all indexes in a pointer. Ten years of 2,500 symbols are 80,000."""
MAX_NAMES = 1_000
"""Names of files in quarantine/ that the pointer contains; if there are more, readers list the folder."""
LISTED = 300
"""The newest consolidated batch files, which readers on S3 list again to see what is new beside them."""
FIRST = ("bars", "metadata")
"""The tables of the views of bars, whose indexes are made if no writer has left them."""
COPIED = {"metadata": 65_536}
"""Up to how many bytes the data of a table's file are in the pointer: the adjusted views look up each symbol in it."""
_REMEMBERED = 64
_WHOLE = 16 << 20
"""Bytes up to which a file is read at once to make its index, instead of by some hundred ranges."""

_indexes: OrderedDict[str, str] = OrderedDict()
"""The indexes of the files that this process has uploaded, by key."""


def remember_index(table: str, key: str, path: Path) -> None:
    """Make the index of a file of a silver table while it is still on the local disk."""

    def read(start: int, length: int) -> bytes:
        file.seek(start)
        return file.read(length)

    with path.open("rb") as file:
        try:
            _indexes[key] = index_of(path.stat().st_size, read, COPIED.get(table, 0)).to_text()
        except ValueError:  # it has no rows
            return
    while len(_indexes) > _REMEMBERED:
        _indexes.popitem(last=False)


def pointer_to(lake: Lake, manifest: Manifest, before: Stored | None) -> bytes:
    """Return the pointer to a generation, as it is stored; `before` is the present pointer.

    Raises:
        LakeError: the lake cannot be read.
    """
    document = json.loads(manifest.to_json()) | {"readers": _readers(lake, manifest, _readers_in(before))}
    document.pop("sha256", None)
    return seal(json.dumps(document, separators=(",", ":")).encode())


def refresh(lake: Lake) -> None:
    """Write the lists of the pointer once more, after one of their files was put without a new generation.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    _update(lake, _lists(lake))


def show_all(lake: Lake) -> None:
    """Let readers list all of raw-data/, before a batch file is put whose name sorts before those that they list.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    _update(lake, {"after": None})


def _update(lake: Lake, change: dict[str, Any]) -> None:
    """Change what a pointer says to readers; a pointer without it stays as it is until the next generation."""

    def changed(before: Stored | None) -> bytes | None:
        readers = _readers_in(before)
        if before is None or not readers or readers | change == readers:
            return None
        document = json.loads(before.data) | {"readers": readers | change | {"written_at": _now()}}
        document.pop("sha256", None)
        return seal(json.dumps(document, separators=(",", ":")).encode())

    lake.update(CURRENT, changed)


def _readers(lake: Lake, manifest: Manifest, before: dict[str, Any]) -> dict[str, Any]:
    return {
        "after": _after(manifest),
        "newest": max(manifest.consolidated, default=None),
        "sessions": lake.store.get(SESSIONS) is not None,
        **_lists(lake),
        "files": _files(lake, manifest, before.get("files", {})),
        "written_at": _now(),  # last, because readers compare it with the time of the put
    }


def _lists(lake: Lake) -> dict[str, Any]:
    """Return the files in symbols/ and quarantine/, and whether there are raw events, in the form of lake.sql."""
    days: dict[str, list[str]] = defaultdict(list)
    for key in lake.store.list("symbols/"):
        if match := re.fullmatch(r"symbols/(\d{4})-(\d\d)-(\d\d)-symbols\.csv", key):
            days[match[1]].append(match[2] + match[3])
    names = [key.removeprefix(QUARANTINE) for key in lake.store.list(QUARANTINE)]
    return {
        "symbols": {year: " ".join(sorted(listed)) for year, listed in sorted(days.items())},
        "quarantine": names if len(names) <= MAX_NAMES else None,
        "raw_events": lake.store.get(RAW_EVENTS) is not None,
    }


def _after(manifest: Manifest) -> str | None:
    """Return the name after which readers list raw-data/; None if one request lists it as a whole anyway."""
    names = sorted(manifest.consolidated)
    return names[-LISTED] if len(names) > 2 * LISTED else None


def _files(lake: Lake, manifest: Manifest, before: dict[str, str]) -> dict[str, str]:
    """Return the indexes of a generation's files by key, those of the bars first, as long as there is room."""
    room = MAX_INDEXES
    files = {}
    for name, table in sorted(manifest.tables.items(), key=lambda item: (item[0] not in FIRST, item[0])):
        for key, size in _parts(table):
            index = _indexes.get(key) or before.get(key)
            if index is None and name in FIRST:
                index = _index_from_lake(lake, key, size, COPIED.get(name, 0))
            if index is not None and len(index) <= room:
                files[key] = index
                room -= len(index)
    return files


def _parts(table: Table) -> Iterator[tuple[str, int]]:
    for file in (*table.delta, *table.base):
        if file.rows:
            yield file.key, file.bytes


def _index_from_lake(lake: Lake, key: str, size: int, largest_copy: int) -> str | None:
    """Return the index of a file that another process has uploaded; None if it cannot be read: readers will say so."""
    try:
        stored = lake.store.get(key) if size <= _WHOLE else None
        if stored is not None:
            data = stored.data
            return index_of(len(data), lambda start, length: data[start : start + length], largest_copy).to_text()
        return index_of(size, lambda start, length: lake.store.part(key, start, length)).to_text()
    except (ValueError, KeyError, LakeError, duckdb.Error):
        return None


def _readers_in(pointer: Stored | None) -> dict[str, Any]:
    """Return the key `readers` of a pointer; empty if it has none."""
    try:
        readers = json.loads(pointer.data)["readers"] if pointer else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return readers if isinstance(readers, dict) else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
