"""A lake that has every kind of file, and the ways in which a file is damaged."""

from __future__ import annotations

import ctypes
import os
import random
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import CHECKS, CURRENT, MANIFESTS, MARKER, QUARANTINE, RAW, RUNS, Lake, parquet
from stockstream.pipeline.lake import SESSIONS as CALENDAR
from stockstream.pipeline.listings.base import Company, ListingsSource
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps.check import run as check
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from stockstream.pipeline.steps.summarise import run as summarise
from stockstream.pipeline.steps.update_symbols import run as update_symbols
from stockstream.pipeline.steps.vacuum import run as vacuum
from tests.faults._lake import BATCHES, SESSIONS, SYMBOLS, US, age, objects, publish_all
from tests.s3_server import S3Server

DAYS = (SESSIONS[13], SESSIONS[17], SESSIONS[19])
"""The days of the runs: archived; corrected and published; fetched and not published."""
Objects = dict[str, bytes]


class _Listed(ListingsSource):
    """Listings with one more company on each day."""

    name = "listed"

    def __init__(self, day: date) -> None:
        self._more = [f"NEW{number}" for number in range(DAYS.index(day))]

    def companies(self) -> list[Company]:
        return [Company(symbol, f"{symbol} Ltd", None, None) for symbol in (*SYMBOLS, *self._more)]


def _write_csv(folder: Path, day: date) -> Path:
    """Write the source as of a day, with a volume that cannot be read; later days correct a bar that is in base."""
    lines = ["symbol,date,open,high,low,close,volume"]
    for symbol in SYMBOLS:
        for number, session in enumerate(session for session in SESSIONS if session <= day):
            corrected = 0.25 if day > DAYS[0] and (symbol, number) == ("BBB", 3) else 0
            close = 10 + number + ord(symbol[0]) % 7 / 8 + corrected
            is_bad = (symbol, session) in {("AAA", DAYS[0]), ("CCC", DAYS[1]), ("AAA", DAYS[2])}
            volume = "many" if is_bad else str(1000 + number)
            lines.append(f"{symbol},{session},{close - 1},{close + 1},{close - 2},{close},{volume}")
    path = folder / f"bars-{day}.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def _fetch(lake: Lake, folder: Path, day: date) -> None:
    now = datetime(day.year, day.month, day.day, 23, tzinfo=UTC)
    update_symbols({"date": str(day)}, lake, _Listed(day), US, 2, now)
    source = open_source(f"files:{_write_csv(folder, day)}", US, settings())
    for number, symbols in enumerate(BATCHES):
        batch: Any = {"symbols": list(symbols), "batchNumber": number, "date": str(day)}
        fetch_batch({**batch, "start": str(SESSIONS[0]), "end": str(day)}, lake, source, US, now)


@dataclass(frozen=True)
class Sample:
    """A lake that has every kind of file, and the objects that it had earlier."""

    objects: Objects
    earlier: Objects
    """The objects after the first day."""


def make_sample(folder: Path, server: S3Server) -> Sample:
    """Make the lake: batch files in the archive, in silver, and fresh; base, delta, and what is derived from them."""
    lake = Lake(str(folder / "lake"))

    def publish(day: date) -> None:
        publish_all(lake)
        check({}, lake)
        event: Any = {"date": str(day), "run": f"run-{day}", "symbolBatches": [], "batches": []}
        summarise(event, lake, US, "files", "test")

    _fetch(lake, folder, DAYS[0])
    publish(DAYS[0])
    earlier = objects(lake.uri, server)
    age(lake.uri, 40, server)
    _fetch(lake, folder, DAYS[1])
    publish(DAYS[1])
    vacuum({"delete": True, "raw": "archive"}, lake)
    publish(DAYS[1])
    _fetch(lake, folder, DAYS[2])
    return Sample(objects(lake.uri, server), earlier)


# Kinds of files


def keys_by_kind(lake: Lake) -> dict[str, str]:
    """Return the key of one file per kind; kinds of which the lake has no file are left out."""
    held = sorted(lake.store.list(""))
    manifest = head(lake)

    def below(prefix: str, *, without: Iterable[str] = ()) -> list[str]:
        return [key for key in held if key.startswith(prefix) and key not in without]

    manifests = below(MANIFESTS)
    consolidated = {f"{RAW}{name}" for name in manifest.consolidated}
    kinds = {
        "pointer": [CURRENT],
        "newest manifest": manifests[-1:],
        "old manifest": manifests[-3:-2],
        **{f"silver bars {role}": keys for role, keys in _bars_by_role(manifest).items()},
        "resampled": _files(manifest, "bars_3d"),
        "indicators": _files(manifest, "indicators"),
        "metadata": _files(manifest, "metadata"),
        "archive": _files(manifest, "raw"),
        "batch file consolidated": [key for key in below(RAW) if key in consolidated][:1],
        "batch file fresh": below(RAW, without=consolidated)[:1],
        "quarantine file": below(QUARANTINE)[1:2],
        "calendar": [CALENDAR],
        "marker": [MARKER],
        "symbols list": below("symbols/")[-1:],
        "state/checks": below(CHECKS)[-1:],
        "state/runs": below(RUNS)[-1:],
    }
    return {kind: keys[0] for kind, keys in kinds.items() if keys}


def _files(manifest: Manifest, table: str) -> list[str]:
    return [file.key for file in manifest.table(table).files]


def _bars_by_role(manifest: Manifest) -> dict[str, list[str]]:
    """Return the files of the bars by the role in their names: base, delta, and tiers if there are any."""
    roles: dict[str, list[str]] = {}
    for key in _files(manifest, "bars"):
        match = re.search(r"/\d+-([a-z]+)", key)
        assert match, key
        roles.setdefault(match[1], []).append(key)
    return roles


# Damages

NO_PERMISSION = "no permission"


def _middle(data: bytes) -> bytes:
    return data[: len(data) // 3] + data[2 * len(data) // 3 :]


def _garbled(data: bytes) -> bytes:
    return random.Random(len(data)).randbytes(len(data))


def _flipped(data: bytes) -> bytes:
    """Flip one bit: in Parquet one that is read as another value; in text the lowest bit of the last digit."""
    if not data.startswith(b"PAR1"):
        at = max(match.start() for match in re.finditer(rb"[0-9A-Za-z]", data))
        digits = [match.start() for match in re.finditer(rb"[0-9]", data)]
        at = digits[-1] if digits else at
        return _with_flip(data, at, 0)
    with duckdb.connect() as con:
        whole = _sum(con, data)
        footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        for at in range(footer - 1, 4, -1):
            for bit in (5, 2, 0, 1, 3, 4, 6, 7):
                changed = _with_flip(data, at, bit)
                if (value := _sum(con, changed)) is not None and value != whole:
                    return changed
    raise AssertionError("no flip of a bit is read as another value")


def _with_flip(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def _sum(con: duckdb.DuckDBPyConnection, data: bytes) -> int | None:
    """Return the sum of the hashes of a file's rows; None if it cannot be read."""
    path = _temporary(con, data)
    try:
        return int(con.execute(f"SELECT sum(hash(t)) FROM read_parquet('{path}') AS t").fetchall()[0][0])
    except (duckdb.Error, UnicodeError):
        return None
    finally:
        path.unlink()


def _temporary(con: duckdb.DuckDBPyConnection, data: bytes) -> Path:
    path = Path(tempfile.gettempdir()) / f"stockstream-damage-{os.getpid()}-{id(con)}.parquet"
    path.write_bytes(data)
    return path


def _older(key: str, sample: Sample) -> bytes | None:
    """Return what a backup may have under this name: an earlier version, or an earlier file of the same kind."""
    data = sample.objects[key]
    if key == CALENDAR:
        with duckdb.connect() as con:
            path = _temporary(con, data)
            older = parquet(con, f"FROM read_parquet('{path}') WHERE date < DATE '2026-01-01'")
            path.unlink()
            return older
    if key == MARKER:
        return b'{"market": "US"}'
    if sample.earlier.get(key, data) != data:
        return sample.earlier[key]
    folder = RUNS if key.startswith(RUNS) else f"{key.rpartition('/')[0]}/"
    for objects_then in (sample.earlier, sample.objects):
        for other in sorted(objects_then, reverse=True):
            if other.startswith(folder) and objects_then[other] != data:
                return objects_then[other]
    return None


DAMAGES: dict[str, Callable[[bytes, str, Sample], bytes | None]] = {
    "half": lambda data, key, sample: data[: len(data) // 2],
    "middle": lambda data, key, sample: _middle(data),
    "empty": lambda data, key, sample: b"",
    "garbled": lambda data, key, sample: _garbled(data),
    "bit flip": lambda data, key, sample: _flipped(data),
    "gone": lambda data, key, sample: None,
    "older copy": lambda data, key, sample: _older(key, sample),
    "{}": lambda data, key, sample: b"{}",
    NO_PERMISSION: lambda data, key, sample: data,
}
"""The function per damage that returns the new bytes of an object; None: the object is deleted."""


# No permission


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


@contextmanager
def without_override() -> Iterator[None]:
    """Have the permissions of files apply to this thread, and to those that it starts, even if it runs as root."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(0x20080522, 0), (_Capabilities * 2)()
    assert libc.capget(ctypes.byref(header), sets) == 0
    before = sets[0].effective
    sets[0].effective = before & ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(ctypes.byref(header), sets) == 0
    try:
        yield
    finally:
        sets[0].effective = before
        assert libc.capset(ctypes.byref(header), sets) == 0
