"""A lake: where everything in it is called, and how it is published. The one definition of the key layout."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import Conflict, LakeError, UsageError
from stockstream.pipeline.markets import MARKETS, Market
from stockstream.pipeline.store import Stored, open_store
from stockstream.sql.loader import load, views_for
from stockstream.sql.session import FileFilter, connect, normalise, quoted, run_date

MARKER = "state/lake.json"
SESSIONS = "state/sessions.parquet"
CURRENT = "state/current.json"
MANIFESTS = "state/manifests/"
RUNS = "state/runs/"
SILVER = "silver/"
RAW = "raw-data/"
RAW_METADATA = "raw-metadata/"
_ATTEMPTS = 20


def raw_key(day: date, batch: int | None, part: int = 0) -> str:
    """Name a batch's file; a run without batches has one file a day.

    Files are immutable, as a file that is replaced under a reader gives it errors or worse. When the batch is run again
    on its day and finds something new, that is another part.
    """
    batched = "" if batch is None else f"-batch-{batch}"
    return f"raw-data/{day}{batched}{f'-part-{part}' if part else ''}.parquet"


def symbols_key(day: date) -> str:
    """Name a day's list of companies."""
    return f"symbols/{day}-symbols.csv"


def metadata_key(day: date, what: str, part: int = 0) -> str:
    """Name a file of what a source told of companies on a day; see `pipeline.metadata`."""
    return f"{RAW_METADATA}{day}-{what}{f'-part-{part}' if part else ''}.parquet"


def manifest_key(generation: int) -> str:
    """Name a generation's manifest."""
    return f"{MANIFESTS}{generation:06d}.json"


def run_key(day: str, run: str, what: str) -> str:
    """Name a record of the state machine's run: `summary`, or `batch-3`."""
    return f"{RUNS}{day}/{run}/{what}.json"


def silver_key(table: str, generation: int, role: str, unique: str) -> str:
    """Name a file of a silver table; `unique`, so that no name is ever used twice."""
    return f"{SILVER}{table}/{generation:06d}-{role}-{unique}.parquet"


def since(day: date) -> FileFilter:
    """Pick the batch files that may hold bars of `day` and later: no bar is fetched before its day."""
    return lambda files: (file for file in files if (written := run_date(file)) is None or written >= day)


def no_files(files: list[str]) -> list[str]:
    """Pick no batch file: for a session that says later which it needs."""
    return []


class Lake:
    """A lake by its URI, a folder or s3://bucket/prefix."""

    def __init__(self, uri: str) -> None:
        self.uri = normalise(uri)
        self.store = open_store(self.uri)

    def session(self, file_filter: FileFilter | None = None, *steps: str) -> DuckDBPyConnection:
        """Open a DuckDB connection with the lake's views, or with those that some steps need ("steps/news").

        See `sql.session.connect`.
        """
        return connect(self.uri, file_filter=file_filter, only=views_for(*steps) if steps else None)

    def update(self, key: str, make: Callable[[Stored | None], bytes | None]) -> bool:
        """Publish an object: `make` gets what is there and gives what is to be there, or None to leave it.

        When another run writes the object at the same time, `make` is asked again with what that run wrote, so that
        neither's work is lost. Says whether anything was written.
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
        raise LakeError(f"{self.store.uri(key)} is being written by others all the time: run again later")

    def market(self) -> Market | None:
        """Give the market whose bars the lake holds; None for a lake that nothing was stored in yet."""
        marker = self.store.get(MARKER)
        if marker is None:
            return None
        try:
            return MARKETS[json.loads(marker.data)["market"]]
        except (ValueError, KeyError, TypeError):
            raise LakeError(f'{self.store.uri(MARKER)} is damaged: restore it, e.g. {{"market": "ASX"}}') from None

    def prepare(self, market: Market, today: date) -> None:
        """Mark the lake with its market and bring its trading calendar up to the end of next year.

        Raises:
            UsageError: the lake holds another market's bars.
        """
        held = self.market()
        if held is not None and held != market:
            raise UsageError(f"{self.uri} holds the {held.name} market: use another lake for {market.name}")
        marker = json.dumps({"market": market.name, "calendar": market.calendar, "timezone": market.timezone})
        self.update(MARKER, lambda before: None if before else marker.encode())
        through = max(today, date.today()).year + 1  # a run for a past day does not make it shorter
        self.update(SESSIONS, lambda _: _calendar(market, through))


def parquet(con: DuckDBPyConnection, query: str) -> bytes:
    """Give a query's result as the bytes of a Parquet file in the lake's format (zstd)."""
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        path = Path(folder) / "out.parquet"
        con.execute(f"COPY ({query}) TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)")
        return path.read_bytes()


def _calendar(market: Market, through_year: int) -> bytes:
    schedule = market.schedule(through_year)
    frame = schedule.reset_index(names="date").rename(columns={"open": "open_utc", "close": "close_utc"})
    for column in ("open_utc", "close_utc"):
        frame[column] = frame[column].dt.tz_localize(None)
    with duckdb.connect() as con:
        con.execute(load("schema/session").text)
        con.register("schedule", frame)
        con.execute("INSERT INTO session BY NAME SELECT CAST(date AS DATE) AS date, open_utc, close_utc FROM schedule")
        return parquet(con, "FROM session ORDER BY date")
