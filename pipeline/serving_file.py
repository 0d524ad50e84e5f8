"""The serving file of a generation: its views as tables of one DuckDB file, which is quick to read.

A query of a view on the lake spends tens of milliseconds on planning; a table in a file is read in two. The tables have
the names of the views that they are made from, and the macros of the indicators and `resample` are in the file, too:
SQL on the file is SQL on the lake. A file is of one generation, and never changes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.manifest import Manifest
from stockstream.sql.errors import LakeError
from stockstream.sql.loader import HOME, load, macros, rules
from stockstream.sql.session import connect, quoted
from stockstream.sql.session.catalogue_file import CONFIG
from stockstream.sql.session.whole_files import appearing

logger = logging.getLogger(__name__)

FORMAT = 3
"""To be increased when the tables change that are made from the same SQL files."""
BARS = ("bars_as_traded", "bars_split_adjusted", "bars_adjusted")
"""The daily bars, by adjustment; sorted by symbol, so that one symbol's rows are in few blocks."""
RECENT_DAYS = 40
"""Days up to the newest bar that the schema `recent` has again, sorted by day: the last day of many symbols."""
RESAMPLED = "bars_resampled"
"""The stored bars of all longer intervals, with the column `timeframe`."""
OTHERS = (
    "indicators",
    "signals",
    "screen",
    "symbols",
    "metadata",
    "actions",
    "pending",
    "quarantine",
    "sessions",
    "watermarks",
)
VIEWS = ("views/resample", "views/session_buckets")
"""The files of the macros on bars that the serving file has beside those of the indicators."""
Progress = Callable[[str], None]


def name_of(manifest: Manifest) -> str:
    """Return the file's name, which depends on all that its content does.

    The number alone does not: a lake that was made again in the same place has generations of the same numbers.
    """
    checksum = hashlib.sha256(f"{version()} {manifest.model_dump_json()}".encode()).hexdigest()[:16]
    return f"{manifest.generation:06d}-{checksum}.duckdb"


def version() -> str:
    """Return a checksum of the SQL files and of the versions from which a serving file is made."""
    digest = hashlib.sha256(f"{FORMAT} {duckdb.__version__}".encode())
    for path in sorted(HOME.rglob("*.sql")):
        digest.update(f"\0{path.relative_to(HOME)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def opened(path: Path, manifest: Manifest) -> DuckDBPyConnection | None:
    """Return a read-only connection on the serving file of a generation, in which nothing else can be read or changed.

    Return None if there is no such file, or if it is damaged.
    """
    if not path.exists():
        return None
    try:
        con = connection(path)
        # DuckDB compares the checksum of a block when it reads it: all are read here, not in a request.
        if con.execute("SELECT generation, content FROM about").fetchall() == [(manifest.generation, _content(con))]:
            return con
        con.close()
        raise duckdb.Error("its rows are others")
    except duckdb.Error as error:
        logger.warning("%s is damaged, and is made again: %s", path, str(error).split("\n")[0])
        return None


def make(lake: str, manifest: Manifest, path: Path, report: Progress = lambda table: None) -> None:
    """Make the serving file of a generation.

    Raises:
        LakeError: the generation cannot be read, or the folder cannot be written.
    """
    try:
        with appearing(path) as part, connect(lake, generation=manifest.generation) as con:
            con.execute(f"ATTACH {quoted(str(part))} AS served (STORAGE_VERSION 'latest')")
            _fill(con, manifest.generation, report)
            con.execute("DETACH served")
    except (OSError, duckdb.Error) as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise LakeError(f"cannot make {path}: {reason}") from None


def connection(path: Path) -> DuckDBPyConnection:
    """Return a read-only connection on a serving file, which has just been written."""
    # As options of the opening, since a second connection of this process finds them locked.
    locked = {"enable_external_access": "false", "lock_configuration": "true"}
    return duckdb.connect(str(path), read_only=True, config={**CONFIG, "threads": 1, "memory_limit": "200MB", **locked})


def _fill(con: DuckDBPyConnection, generation: int, report: Progress) -> None:
    con.execute("CREATE SCHEMA served.recent")
    for name in BARS:
        report(name)
        con.execute(f"CREATE TABLE served.{name} AS FROM {name} ORDER BY symbol, date")
        con.execute(
            f"CREATE TABLE served.recent.{name} AS FROM served.{name} "
            f"WHERE date > (SELECT max(date) FROM served.{name}) - {RECENT_DAYS} ORDER BY date, symbol"
        )
    report(RESAMPLED)
    stored = [name for (name,) in con.execute("SELECT unnest(map_keys(getvariable('manifest').tables))").fetchall()]
    names = sorted(name.removeprefix("bars_") for name in stored if name.startswith("bars_"))
    parts = [f"SELECT {quoted(name)} AS timeframe, * FROM bars_resampled({quoted(name)})" for name in names]
    empty = "SELECT '' AS timeframe, * FROM bars_resampled('weekly') LIMIT 0"
    union = " UNION ALL ".join(f"({part})" for part in (empty, *parts))
    con.execute(f"CREATE TABLE served.{RESAMPLED} AS FROM ({union}) ORDER BY timeframe, symbol, date")
    for name in OTHERS:
        report(name)
        con.execute(f"CREATE TABLE served.{name} AS FROM {name} ORDER BY ALL")
    report("gaps")
    con.execute(
        "CREATE TABLE served.gap_counts AS "
        "SELECT symbol, count(*) AS missing, max(date) AS newest FROM gaps GROUP BY symbol"
    )
    con.execute("USE served")
    con.execute("".join(load(name).text for name in rules()))
    for file in (*VIEWS, *macros()):
        con.execute(load(file).text)
    con.execute("CREATE TABLE about AS SELECT $1 AS generation, $2 AS content", [generation, _content(con)])
    con.execute("USE memory; CHECKPOINT served")


def _content(con: DuckDBPyConnection) -> str:
    """Return a checksum of all rows.

    Servers that make the file at different times can have different lists of companies for one generation; what they
    answer then differs in its ETag, too.
    """
    tables = (*BARS, *(f"recent.{name}" for name in BARS), RESAMPLED, *OTHERS, "gap_counts")
    sums = [
        con.execute(f"SELECT count(*), bit_xor(hash(t)), sum(hash(t)) FROM {name} AS t").fetchall() for name in tables
    ]
    return hashlib.sha256(f"{version()} {sums}".encode()).hexdigest()[:12]
