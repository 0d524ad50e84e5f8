"""Lakes for the injection of faults: create and copy them, compare their contents, read them in the background."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import MANIFESTS, SILVER, Lake
from stockstream.pipeline.listings.base import Company, ListingsSource
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from stockstream.pipeline.steps.fetch_metadata import run as fetch_metadata
from stockstream.pipeline.steps.refresh_carried import run as refresh_carried
from stockstream.pipeline.steps.refresh_indicators import run as refresh_indicators
from stockstream.pipeline.steps.resample import run as resample
from stockstream.pipeline.steps.update_symbols import run as update_symbols
from stockstream.sql.loader import views_for
from stockstream.sql.session import connect, list_files, pick_files
from tests.kill_at import Ended
from tests.s3_server import S3Server

US = MARKETS["US"]
SESSIONS = [session.date() for session in US.schedule(2024).loc["2024-02-01":].index[:20]]
FIRST, SECOND = SESSIONS[17], SESSIONS[19]
SHORT = {"TAIL": 6, "OPEN": 2, "LARGEST_DELTA": 1.0, "LARGEST_RESTATED": 1.0}
"""Constants of `pipeline.steps.consolidate` with which 20 sessions are enough for a base that is seldom rewritten."""
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
BATCHES = (("AAA", "BBB"), ("CCC", "DDD"))
INTERVAL = "3d"
RESAMPLED = f"resampled('{INTERVAL}')"

Sums = tuple[int, int]
"""Number of rows of a view, and the sum of their hashes."""


def write_csv(folder: Path, day: Any) -> Path:
    """Write the source as of a day; on the second day a bar that is in base is corrected."""
    lines = ["symbol,date,open,high,low,close,volume"]
    for symbol in SYMBOLS:
        for number, session in enumerate(session for session in SESSIONS if session <= day):
            corrected = 0.25 if (day, symbol, number) == (SECOND, "BBB", 3) else 0
            close = 10 + number + ord(symbol[0]) % 7 / 8 + corrected
            lines.append(f"{symbol},{session},{close - 1},{close + 1},{close - 2},{close},{1000 + number}")
    path = folder / f"bars-{day}.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


class Listed(ListingsSource):
    """Listings with all symbols except one, a different one each day."""

    name = "listed"

    def __init__(self, day: Any) -> None:
        self._left = "DDD" if day == FIRST else "NEW"

    def companies(self) -> list[Company]:
        return [Company(symbol, f"{symbol} Ltd", None, None) for symbol in (*SYMBOLS, "NEW") if symbol != self._left]


def fetch(lake: Lake, folder: Path, day: Any) -> None:
    """Store what the source has on a day: the list, and two batches with the whole history; publish nothing."""
    now = datetime(day.year, day.month, day.day, 23, tzinfo=UTC)
    update_symbols({"date": str(day), "accept_smaller": True}, lake, Listed(day), US, 2, now)
    source = open_source(f"files:{write_csv(folder, day)}", US, settings())
    for number, batch in enumerate(BATCHES):
        event = {"symbols": list(batch), "batchNumber": number, "date": str(day)}
        fetch_batch({**event, "start": str(SESSIONS[0]), "end": str(day)}, lake, source, US, now)


def publish_all(lake: Lake) -> None:
    """Run the steps that publish silver."""
    consolidate({}, lake)
    resample({"intervals": [INTERVAL]}, lake)
    refresh_indicators({}, lake)
    refresh_carried({}, lake)
    fetch_metadata({}, lake, None, US)


def copy(lake: str, to: str, server: S3Server) -> str:
    """Copy a lake in a folder to another folder, with the ages of its files, or to S3; return the URI of the copy."""
    if to.startswith("s3://"):
        server.fill(to, objects(lake, server))
    else:
        shutil.copytree(lake, to, ignore=shutil.ignore_patterns(".lock"))
    return to


def objects(lake: str, server: S3Server) -> dict[str, bytes]:
    """Return all objects of a lake by key, temporary files included."""
    if lake.startswith("s3://"):
        return server.objects(lake)
    files = (path for path in Path(lake).rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(lake)): path.read_bytes() for path in files}


def age(lake: str, days: float, server: S3Server) -> None:
    """Make every object of a lake older by the clock of its store."""
    if lake.startswith("s3://"):
        server.age(lake, days)
        return
    for path in Path(lake).rglob("*"):
        stat = path.stat()
        os.utime(path, (stat.st_atime - days * 86400, stat.st_mtime - days * 86400))


# What is in a lake

VIEWS = (
    "bars", "latest_bars", "silver_bars", "bars_resampled", "indicators", "bars_adjusted", "raw_bars", "metadata",
    "symbols", "carried",
)  # fmt: skip
NEEDED = views_for(*(f"views/{name}" for name in VIEWS))
SEEN = ("bars", "silver_bars", "bars_resampled")
"""The views that background readers compare."""


def sums(con: DuckDBPyConnection, *names: str) -> dict[str, Sums]:
    """Return the sums of views on a connection, whatever the time of the fetch and the file."""
    asked = [
        f"SELECT '{name}', count(*), sum(hash(t)) FROM (SELECT COLUMNS(c -> c NOT IN ('fetch_timestamp', 'file')) "
        f"FROM {name.replace('resampled', RESAMPLED)}) AS t"
        for name in names
    ]
    rows = con.execute(" UNION ALL ".join(asked)).fetchall()
    return {name: (count, int(total or 0)) for name, count, total in rows}


def content(lake: str, *names: str, generation: int | None = None) -> dict[str, Sums]:
    """Return the sums of views of a lake as it is now or in a generation; of all views by default."""
    names = names or VIEWS
    with connect(lake, generation=generation, only=views_for(*(f"views/{name}" for name in names))) as con:
        return sums(con, *names)


def looked_again(con: DuckDBPyConnection, *names: str) -> dict[str, Sums]:
    """Return the sums of views of a lake as it is now, on an existing connection."""
    lake = con.execute("SELECT getvariable('lake')").fetchall()[0][0]
    list_files(con, lake)
    pick_files(con, lake)
    return sums(con, *(names or VIEWS))


State = tuple[Sums, ...]


def look(lake: str, by_pointer: bool = True) -> State:
    """Return what a new reader sees."""
    needed = views_for(*(f"views/{name}" for name in SEEN))
    with connect(lake, only=needed, by_pointer=by_pointer) as con:
        return tuple(sums(con, *SEEN).values())


def immutable(held: Mapping[str, bytes]) -> set[tuple[str, bytes]]:
    """Return the objects of a lake that are never replaced."""
    return {(key, data) for key, data in held.items() if not key.startswith("state/") or key.startswith(MANIFESTS)}


def litter(held: Mapping[str, bytes]) -> set[str]:
    """Return the keys of a lake that no generation names, temporary files included.

    Fails if a generation names a file that is absent or incomplete.
    """
    named = set()
    for key in (key for key in held if key.startswith(MANIFESTS) and ".aside-" not in key):
        manifest = Manifest.model_validate_json(held[key])
        for file in (file for table in manifest.tables.values() for file in table.files):
            assert len(held.get(file.key, b"")) == file.bytes, f"{file.key} of generation {manifest.generation} is gone"
            named.add(file.key)
    return {key for key in held if ".aside-" in key or (key.startswith(SILVER) and key not in named)}


def assert_one_line(ended: Ended, *words: str, code: int = 1) -> None:
    """Check that a command failed with an exit code and one line that a person can act on."""
    assert ended.code == code, ended
    assert "Traceback" not in ended.err, ended.err
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, ended
    assert all(word in lines[0] for word in words), lines[0]


@dataclass
class Reader:
    """A reader in the background that queries a lake again and again: `with Reader(lake, complete): ...`.

    For each query it opens the lake, or uses `lake` if that is a connection. Leaving the block fails on an error and on
    a state that is not in `complete`.
    """

    lake: str | DuckDBPyConnection
    complete: Iterable[State]
    pause: float = 0.0
    """Seconds between two queries."""
    states: list[State] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Reader:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def _read(self) -> None:
        last = False
        try:
            while not last:
                last = self._ended.is_set()  # so that the last query is after the end of the block
                self.states.append(self._look())
                self._ended.wait(self.pause)
        except BaseException as error:
            self._errors.append(error)

    def _look(self) -> State:
        return look(self.lake) if isinstance(self.lake, str) else tuple(looked_again(self.lake, *SEEN).values())

    def __exit__(self, kind: object, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)
        if kind is None:
            for error in self._errors:
                raise AssertionError(f"a reader got {type(error).__name__}: {error}") from error
            strange = set(self.states) - set(self.complete)
            assert not strange, (
                f"a reader saw a state that is not complete: {strange}; complete are {set(self.complete)}"
            )


def wait_until(true: Any, seconds: float = 20) -> None:
    """Wait until a condition holds that another thread or process brings about."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "that took too long"
        time.sleep(0.005)
