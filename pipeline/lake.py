"""A lake: its key layout, which is defined only here, its market and calendar, and its sessions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import Conflict, LakeError, NoLake, UsageError
from stockstream.pipeline.markets import MARKETS, Market
from stockstream.pipeline.store import Stored, open_store
from stockstream.sql.loader import load, views_for
from stockstream.sql.session import FileFilter, connect, no_lake, normalise, quoted, run_date

MARKER = "state/lake.json"
SESSIONS = "state/sessions.parquet"
CURRENT = "state/current.json"
HISTORY = "state/history.json"
MANIFESTS = "state/manifests/"
RUNS = "state/runs/"
LIVE = "live/"
PAPER = "paper/"
PAPER_REPORTS = "state/paper/"
RAW_EVENTS = "raw_events/marker.json"
"""A mark: the patterns of the view `raw_events` match a file each; opening a lake looks for this one object."""
LEVELS = "levels.csv"
CHECKS = "state/checks/"
SILVER = "silver/"
SERVING = "serving/"
RAW = "raw-data/"
QUARANTINE = "quarantine/"
RAW_METADATA = "raw-metadata/"
_ATTEMPTS = 20


def raw_key(day: date, batch: int | None, part: int = 0) -> str:
    """Return the key of a batch's file; a run without batches has one file per day.

    Files are immutable, since a file that is replaced while it is read causes errors or wrong results. What a later run
    of the same batch on the same day adds is another part.

    Raises:
        UsageError: the number of the batch is none, so that no reader would know the file's name.
    """
    if batch is not None and (type(batch) is not int or batch < 0):
        raise UsageError(f"batch {batch!r} cannot be a part of a key: batches have the numbers 0, 1, 2 and so on")
    batched = "" if batch is None else f"-batch-{batch}"
    return f"{RAW}{day}{batched}{f'-part-{part}' if part else ''}.parquet"


def quarantine_key(day: date, batch: int | None, part: int = 0) -> str:
    """Return the key of the values of a batch that could not be read, or that its rows do not have."""
    return QUARANTINE + raw_key(day, batch, part).removeprefix(RAW)


def symbols_key(day: date) -> str:
    """Return the key of a day's list of companies."""
    return f"symbols/{day}-symbols.csv"


def metadata_key(day: date, kind: str, part: int = 0) -> str:
    """Return the key of a source's answers about companies on a day; see `pipeline.metadata`."""
    return f"{RAW_METADATA}{day}-{kind}{f'-part-{part}' if part else ''}.parquet"


def manifest_key(generation: int) -> str:
    """Return the key of a generation's manifest."""
    return f"{MANIFESTS}{generation:06d}.json"


def manifest_number(key: str) -> int | None:
    """Return the generation of a manifest's key; None for other objects in its folder."""
    name = key.removeprefix(MANIFESTS).removesuffix(".json")
    return int(name) if name.isascii() and name.isdecimal() and key == f"{MANIFESTS}{name}.json" else None


def check_key(generation: int) -> str:
    """Return the key of the findings of the checks that ran on a generation."""
    return f"{CHECKS}{generation:06d}.json"


def run_key(day: str, run: str, record: str) -> str:
    """Return the key of a record of a run of the state machine: `summary`, or `batch-3`.

    Raises:
        UsageError: one of the three cannot be a part of a key.
    """
    for name in (day, run, record):
        if fault := name_fault(name):
            raise UsageError(f"{name!r} cannot be a part of a key: it {fault}")
    return f"{RUNS}{day}/{run}/{record}.json"


def name_fault(name: str) -> str | None:
    """Return why a text from outside cannot be one part of a key, which must not lead elsewhere; None if it can."""
    if not name.strip("."):
        return "is nothing but dots" if name else "is empty"
    if not name.isprintable():
        return "has a character that cannot be printed"
    return next((f"contains {character}" for character in "/\\" if character in name), None)


def silver_key(table: str, generation: int, role: str, unique: str) -> str:
    """Return the key of a file of a silver table; `unique` prevents that a name is ever used twice."""
    return f"{SILVER}{table}/{generation:06d}-{role}-{unique}.parquet"


def live_key(session: str, name: str) -> str:
    """Return the key of an object of a live session (YYYY-MM-DD): see `pipeline/live/README.md`."""
    return f"{LIVE}{session}/{name}"


def paper_key(account: str, name: str) -> str:
    """Return the key of an object of a paper account: see `analytics/paper/README.md`."""
    return f"{PAPER}{account}/{name}"


def report_key(account: str) -> str:
    """Return the key of the report of a paper account's last step, which is replaced: it is no part of the account."""
    return f"{PAPER_REPORTS}{account}.json"


def since(day: date) -> FileFilter:
    """Return a filter of the batch files that may hold bars of `day` and later: no bar is fetched before its day."""
    return lambda files: (file for file in files if (written := run_date(file)) is None or written >= day)


def no_files(files: list[str]) -> list[str]:
    """Return no batch file: the filter of a session that needs none, or chooses them later."""
    return []


class Lake:
    """A lake by its URI, a folder or s3://bucket/prefix."""

    def __init__(self, uri: str) -> None:
        self.uri = normalise(uri)
        self.store = open_store(self.uri)

    def session(
        self, file_filter: FileFilter | None = None, *steps: str, manifest: str | None = None
    ) -> DuckDBPyConnection:
        """Open a DuckDB connection with the lake's views, or only with those that `steps` need ("steps/news").

        `manifest` is a local file with a manifest to read instead of the newest one. See `sql.session.connect`, also
        for the errors.
        """
        only = views_for(*steps) if steps else None
        return connect(self.uri, file_filter=file_filter, only=only, manifest=manifest, by_pointer=False)

    def require(self) -> Lake:
        """Return the lake itself, if there is one.

        Raises:
            NoLake: there is nothing of a lake at the URI, not even its marker: no run has stored anything there.
        """
        prefixes = ("state/", RAW, "symbols/")
        if self.store.get(MARKER) is None and not any(self.store.list(prefix) for prefix in prefixes):
            raise NoLake(no_lake(self.uri))
        return self

    def update(self, key: str, make: Callable[[Stored | None], bytes | None]) -> bool:
        """Replace an object by the bytes that `make` returns for its present version; keep it if that is None.

        When another writer changes the object at the same time, `make` is called again with its version, so that no
        change is lost. Returns whether anything was written.

        Raises:
            LakeError: the object cannot be written, or other writers change it every time.
        """
        for _ in range(_ATTEMPTS):
            before = self.store.get(key)
            data = make(before)
            if data is None or (before is not None and before.data == data):
                return False
            try:
                self.store.put(key, data, replaces=before)
            except Conflict:
                continue
            return True
        raise LakeError(f"{self.store.uri(key)} is written by other writers all the time: run again later")

    def market(self) -> Market | None:
        """Return the market of the lake's bars; None for a lake that nothing has been stored in yet.

        Raises:
            LakeError: the marker cannot be read.
        """
        marker = self.store.get(MARKER)
        if marker is None:
            return None
        try:
            return MARKETS[json.loads(marker.data)["market"]]
        except (ValueError, KeyError, TypeError):
            raise LakeError(self.without_marker("is damaged")) from None

    def without_marker(self, problem: str) -> str:
        """Return the message about a marker that does not name the market."""
        return f"{self.store.uri(MARKER)} {problem}: `stockstream repair --market ASX` (or US) shows how to restore it"

    def prepare(self, market: Market, today: date) -> None:
        """Store the lake's market, and its trading calendar up to the end of next year.

        Raises:
            UsageError: the lake has the bars of another market.
            LakeError: the lake cannot be read or written, or it has a calendar and no marker.
        """
        existing = self.market()
        if existing is None and self.store.get(SESSIONS) is not None:  # `market` may be a mere default
            raise LakeError(self.without_marker("is gone"))
        if existing is not None and existing != market:
            raise UsageError(f"{self.uri} holds the {existing.name} market: use another lake for {market.name}")
        self.mark(market)
        through = max(today, date.today()).year + 1  # a run for a past day does not shorten it
        self.update(SESSIONS, lambda _: _calendar(market, through))

    def mark(self, market: Market) -> None:
        """Store the lake's market if it has none.

        Raises:
            LakeError: the lake cannot be written.
        """
        marker = json.dumps({"market": market.name, "calendar": market.calendar, "timezone": market.timezone})
        self.update(MARKER, lambda before: None if before else marker.encode())


def parquet(con: DuckDBPyConnection, query: str) -> bytes:
    """Return the result of a query as the bytes of a Parquet file in the lake's format (zstd)."""
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        path = Path(folder) / "out.parquet"
        con.execute(f"COPY ({query}) TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)")
        return path.read_bytes()


@cache
def _calendar(market: Market, through_year: int) -> bytes:
    """Return the trading calendar of a market up to the end of a year, as it is stored."""
    schedule = market.schedule(through_year)
    frame = schedule.reset_index(names="date").rename(columns={"open": "open_utc", "close": "close_utc"})
    for column in ("open_utc", "close_utc"):
        frame[column] = frame[column].dt.tz_localize(None)
    with duckdb.connect() as con:
        con.execute(load("schema/session").text)
        con.register("schedule", frame)
        con.execute("INSERT INTO session BY NAME SELECT CAST(date AS DATE) AS date, open_utc, close_utc FROM schedule")
        return parquet(con, "FROM session ORDER BY date")
