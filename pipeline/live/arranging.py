"""Raw events of a session that is over, in the order of symbols: `raw_events/days/date=2026-11-25/NNNNNN.parquet`.

A file has the events of some arrivals, whose names are in its metadata, so that each is arranged once, however often
and by however many processes this runs. Row groups are small, so that the events of a symbol are a few of them.
Arrivals are left to a lifecycle rule of the bucket (prefix `raw_events/arrivals/date=2`, a week or more).
"""

from __future__ import annotations

import json
import tempfile
from datetime import timedelta
from pathlib import Path

import duckdb

from stockstream.pipeline.errors import Conflict
from stockstream.pipeline.lake import Lake, no_files
from stockstream.pipeline.live.raw_events import ARRIVALS, FOLDER
from stockstream.sql.session import explain, quoted, set_variable

QUERY = """
    SELECT
        r.symbol, r.kind, epoch_ms(r."at") AS "at", epoch_ms(r.arrived_at) AS arrived_at, r.position, r.event
    FROM raw_events AS r
    ORDER BY r.symbol, r."at", r.position
"""
SETTLED = timedelta(minutes=5)
"""Age of the newest arrival from which on a session is quiet."""
MAX_BYTES = 32 * 2**20
"""Bytes of arrivals, compressed, in one file: about ten times as much text."""
ROW_GROUP = 20_480
_NAMES = "arrivals"
"""Key of a file's metadata with the names of its arrivals."""


def arrange(lake: Lake, day: str) -> str | None:
    """Arrange the next arrivals of a day; return the key of the file, None if there is nothing to do for now.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    listed = lake.store.list(f"{ARRIVALS}date={day}/")
    if not listed or min(item.age for item in listed.values()) < SETTLED:
        return None
    folder = f"{FOLDER}days/date={day}/"
    files = list(lake.store.list(folder))
    with lake.session(no_files, "views/raw_events") as con:
        try:
            left = sorted(listed.keys() - _arranged(con, [lake.store.uri(key) for key in files]))
            if not left:
                return None
            size = 0
            chosen: list[str] = []
            while left and (not chosen or size + listed[left[0]].size <= MAX_BYTES):
                size += listed[left[0]].size
                chosen.append(left.pop(0))
            set_variable(con, "raw_event_files", [])
            set_variable(con, "raw_arrival_files", [lake.store.uri(key) for key in chosen])
            with tempfile.TemporaryDirectory(prefix="stockstream-") as temporary:
                path = Path(temporary) / "events.parquet"
                names = json.dumps([key.removeprefix(ARRIVALS) for key in chosen])
                con.execute(
                    f"COPY ({QUERY}) TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd, "
                    f"ROW_GROUP_SIZE {ROW_GROUP}, KV_METADATA {{{_NAMES}: {quoted(names)}}})"
                )
                key = f"{folder}{len(files) + 1:06d}.parquet"
                lake.store.put(key, path, replaces=None)
        except duckdb.Error as error:
            raise explain(error, lake.uri) from None
        except Conflict:  # another process has just done the same
            return None
    return key


def _arranged(con: duckdb.DuckDBPyConnection, uris: list[str]) -> set[str]:
    """Return the keys of the arrivals that files have."""
    if not uris:
        return set()
    rows = con.execute(
        f"SELECT decode(value) FROM parquet_kv_metadata([{', '.join(map(quoted, uris))}]) "
        f"WHERE decode(key) = {quoted(_NAMES)}"
    ).fetchall()
    return {f"{ARRIVALS}{name}" for (names,) in rows for name in json.loads(names)}
