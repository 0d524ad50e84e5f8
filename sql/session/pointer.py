"""Open a lake on S3 by its pointer, which contains what readers need at once: one request, and one for new batch files.

`pipeline.pointer` writes the pointer. Its key `readers` has
- `written_at`: when it was written, which shows whether the object is an older copy;
- `after`: new batch files sort after this name; NULL: all names in raw-data/ are to be listed;
- `newest`: the last name of a batch file that is in silver;
- `sessions`: whether there is a calendar; `symbols`: the days of the lists of companies, as `{"2026": "1119 1120"}`;
  `quarantine`: the names of the files in quarantine/; `raw_events`: whether there are raw events;
- `files`: the indexes of silver files by key (`file_index`).

Without this key, or without the package fsspec, the lake is opened with more requests.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from duckdb import DuckDBPyConnection

from stockstream.sql.session.file_index import FileIndex
from stockstream.sql.session.lake_files import Parts, set_silver
from stockstream.sql.session.objects import Objects
from stockstream.sql.session.s3 import region
from stockstream.sql.variables import set_variable

POINTER = "state/current.json"
RAW = "raw-data/"
SEAL = re.compile(rb'^\{"sha256":"([0-9a-f]{64})",')
"""What a pointer with a checksum begins with (`pipeline.sealing`)."""


def use_pointer(con: DuckDBPyConnection, lake: str) -> Mapping[str, str]:
    """Read the pointer of a lake on S3, and set what `list_files` then need not request.

    Returns the URIs of the silver files that DuckDB reads with the help of the pointer, by their usual URIs.

    Raises:
        LakeError: S3 refuses, or does not answer.
    """
    if importlib.util.find_spec("fsspec") is None:
        return {}
    objects = Objects(lake, region())
    pointer = objects.get(POINTER)
    readers = _readers(pointer.data) if pointer else None
    if pointer is None or readers is None:
        return {}
    from stockstream.sql.session.ranges import Ranges  # imports fsspec, which takes a tenth of a second

    batches = objects.list(RAW, RAW + readers.after if readers.after else "")
    if readers.newest and batches.get(RAW + readers.newest, readers.written_at) > readers.written_at:
        # A file in silver is newer than the pointer: the lake is a copy, so that the pointer's time means nothing.
        pointer = replace(pointer, put_at=readers.written_at)
    files = Ranges(objects, readers.files, {POINTER: pointer})
    con.register_filesystem(files)
    listings = {"state": [], "pointer": [files.uri(POINTER)], "raw-data": [f"{lake}/{key}" for key in batches]}
    set_variable(con, "listings", listings)
    return {f"{lake}/{key}": files.uri(key) for key in readers.files}


def read_by_pointer(con: DuckDBPyConnection, uris: Mapping[str, str]) -> None:
    """Replace the URIs of silver files by those that `use_pointer` has returned."""
    ((silver,),) = con.execute("SELECT getvariable('silver')").fetchall()
    tables: dict[str, Parts] = {}
    for name, table in silver.items():
        base, delta = ([uris.get(file, file) for file in table[part]] for part in ("base", "delta"))
        tables[name] = (base, delta, table["restated"])
    set_silver(con, tables)


@dataclass(frozen=True)
class Readers:
    """The key `readers` of a pointer, without what lake.sql reads."""

    written_at: datetime
    after: str | None
    newest: str | None
    files: dict[str, FileIndex]


def _readers(data: bytes) -> Readers | None:
    """Return the key `readers` of a pointer; None if it has none, or is damaged: manifest.sql says what is wrong."""
    seal = SEAL.match(data)
    if seal and hashlib.sha256(b"{" + data[seal.end() :]).hexdigest().encode() != seal[1]:
        return None
    try:
        stored = json.loads(data)["readers"]
        files = {key: FileIndex.from_text(text) for key, text in stored["files"].items()}
        written_at = datetime.fromisoformat(stored["written_at"])
        return Readers(written_at, stored.get("after"), stored.get("newest"), files)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
