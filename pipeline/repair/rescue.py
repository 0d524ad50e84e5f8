"""Find the bars that only damaged files and earlier generations have, store them as a batch file, and name the rest.

No row of a damaged file is used that an intact file has: the batch files, the archive, silver as it was published. Rows
that no intact file of the newest generation has are taken from earlier generations, whose files are as they were
published; and only then from the row groups of damaged files that can be decoded, which is no proof that their values
are right: the result names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import RAW, SILVER, Lake, no_files, parquet, raw_key
from stockstream.pipeline.manifest import DataFile, Table
from stockstream.pipeline.repair.batches import batch_keys
from stockstream.pipeline.repair.manifests import Generations
from stockstream.pipeline.repair.reading import local_files
from stockstream.pipeline.repair.silver import ARCHIVE
from stockstream.sql.loader import load
from stockstream.sql.session import explained, files_of, quoted, set_variable

COLUMNS = (
    "symbol", "date", "open", "high", "low", "close", "volume", "adjusted_close", "fetch_timestamp", "dividend",
    "split_ratio", "source", "price_basis",
)  # fmt: skip
RAW_COLUMNS = ", ".join(COLUMNS)
IS_POSSIBLE = "is_possible_day(date)"
"""No flipped bit made the date (views/read_stored.sql)."""


@dataclass(frozen=True)
class Rows:
    """Rows of one symbol in, or once in, one object."""

    object: str
    symbol: str
    days: Sequence[date]


@dataclass
class Rescue:
    """What was restored from earlier generations and damaged files, and what no file has."""

    stored: str | None = None
    """The key of the batch file with the restored rows; None: no row had to be restored."""
    restored: list[tuple[str, int, bool]] = field(default_factory=list)
    """Per object whose rows were used: its key, the number of rows, and whether it is as it was published."""
    doubtful: list[Rows] = field(default_factory=list)
    """The restored rows that only a damaged file had, so that a value may be wrong."""
    lost: list[Rows] = field(default_factory=list)
    unknown: dict[str, tuple[int | None, date | None, date | None]] = field(default_factory=dict)
    """Per damaged batch file whose keys cannot be read: number of rows, first and last day, as far as it says so."""


def rescue_rows(lake: Lake, generations: Generations, damaged: set[str]) -> Rescue:
    """Store the rows that only earlier generations or damaged files have as a batch file; return what is lost.

    `damaged` has the keys of all damaged objects. The pointer must have been mended.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    result = Rescue()
    with explained(lake.uri), lake.session(no_files, "views/read_stored", "views/silver_bars") as con:
        _collect_held(con, lake, generations, damaged)
        _collect_others(con, lake, generations, damaged, result)
        con.execute(load("steps/rescued").text)
        counts = "SELECT object, count(*), bool_and(is_intact) FROM rescued GROUP BY object ORDER BY object"
        result.restored = con.execute(counts).fetchall()
        result.lost = _by_symbol(con, "lost")
        result.doubtful = _by_symbol(con, "rescued WHERE NOT is_intact")
        if result.restored:
            result.stored = _store(con, lake)
    return result


def _by_symbol(con: DuckDBPyConnection, rows: str) -> list[Rows]:
    query = f"SELECT object, symbol, list(date ORDER BY date) FROM {rows} GROUP BY object, symbol"
    return [Rows(*row) for row in con.execute(f"{query} ORDER BY object, symbol").fetchall()]


def _collect_held(con: DuckDBPyConnection, lake: Lake, generations: Generations, damaged: set[str]) -> None:
    """Create the temp table `held`: the keys of the rows of intact files that the next consolidation reads."""
    tables = generations.newest.tables
    batches = [lake.store.uri(key) for key in batch_keys(lake) if key not in damaged]
    aside = {lake.store.uri(f"{RAW}{name}") for name in generations.newest.set_aside}
    archive = [lake.store.uri(file.key) for file in tables.get(ARCHIVE, Table()).files if file.key not in damaged]
    set_variable(con, "raw_files", [file for file in batches if file not in aside])
    con.execute(
        "CREATE TEMP TABLE held AS SELECT DISTINCT symbol, date FROM read_stored(raw_files()) WHERE close IS NOT NULL"
    )
    _insert(con, "held", "symbol, date", archive)
    bars = tables.get("bars", Table())
    for files, is_valid in ((bars.base, _not_in(bars.restated)), (bars.delta, "true")):
        _insert(con, "held", "symbol, date", [lake.store.uri(f.key) for f in files if f.key not in damaged], is_valid)


def _collect_others(
    con: DuckDBPyConnection, lake: Lake, generations: Generations, damaged: set[str], result: Rescue
) -> None:
    """Create the temp tables `candidates` (rows that may be restored) and `expected` (keys that there have been)."""
    con.execute(
        f"CREATE TEMP TABLE candidates AS SELECT {RAW_COLUMNS}, CAST(NULL AS VARCHAR) AS object, true AS is_intact "
        "FROM read_stored([]::VARCHAR[])"
    )
    con.execute("CREATE TEMP TABLE expected (symbol VARCHAR, date DATE, object VARCHAR)")
    newest, line = generations.newest, generations.lineage
    files = {file.key: file for manifest in line for name in ("bars", ARCHIVE) for file in manifest.table(name).files}
    # Those of an earlier generation, too: a consolidation may have left out a damaged file, and bars with it.
    broken = {key: file for key, file in files.items() if key in damaged}
    con.execute("CREATE TEMP TABLE record (symbol VARCHAR, date DATE)")
    is_recorded = True
    for manifest in line:
        if any(file.key in broken for name in ("bars", ARCHIVE) for file in manifest.table(name).files):
            # One row per bar, in a table of its own: the best record of which bars there have been.
            indicators = manifest.table("indicators").files
            recorded = [file for file in indicators if file.key not in damaged]
            is_recorded = is_recorded and 0 < len(recorded) == len(indicators)
            _insert(con, "record", "symbol, date", [lake.store.uri(file.key) for file in recorded])
    if broken:
        existing = lake.store.list(SILVER).keys() - damaged  # an earlier repair may have set some of them aside
        for key in sorted({file.key for manifest in line for file in manifest.table("bars").files} & existing):
            _insert(con, "candidates", f"{RAW_COLUMNS}, {quoted(key)}, true", [lake.store.uri(key)])
    consolidated = {*newest.consolidated}
    # Silver that is as it was published has every bar of the batch files that have been consolidated.
    batches = [
        key for key in batch_keys(lake) if key in damaged and (broken or key.removeprefix(RAW) not in consolidated)
    ]
    for key in [*broken, *batches]:
        with local_files(lake, [key]) as paths:
            _collect_damaged(con, key, paths[key], key in broken, result)
    for key, file in broken.items():
        _leave_out_unlikely(con, key, file)
    if is_recorded:  # the record has their bars
        result.unknown = {
            key: what for key, what in result.unknown.items() if key.removeprefix(RAW) not in consolidated
        }
    if broken:
        con.execute(f"INSERT INTO expected SELECT symbol, date, {quoted(next(iter(broken)))} FROM record")


def _collect_damaged(con: DuckDBPyConnection, key: str, path: str, is_silver: bool, result: Rescue) -> None:
    """Add what can be decoded of a damaged file: rows to `candidates`, keys to `expected`."""
    source = f"read_parquet({quoted(path)}, file_row_number = true)" if is_silver else "read_stored(raw_files())"
    row_number = "file_row_number" if is_silver else "file_row"
    if not is_silver:
        set_variable(con, "raw_files", [path])
    is_known = True
    for first, last in _row_groups(con, path):
        rows = f"FROM {source} WHERE {row_number} BETWEEN {first} AND {last}"
        if not _insert_decoded(con, key, rows, [*COLUMNS]):
            # One by one, as most of them can be decoded: the others are NULL.
            columns = [name for name in COLUMNS if _can_read(con, f"SELECT bit_xor(hash({name})) {rows}")]
            is_known = _insert_decoded(con, key, rows, columns) and is_known
        is_known = is_known and con.execute(f"SELECT 1 {rows} AND NOT {IS_POSSIBLE} LIMIT 1").fetchone() is None
    if not is_silver and (not is_known or not _row_groups(con, path)):
        result.unknown[key] = _footer(con, path)


def _insert_decoded(con: DuckDBPyConnection, key: str, rows: str, columns: Sequence[str]) -> bool:
    """Insert the rows of a row group by the columns that can be decoded; return whether their keys can be."""
    if not {"symbol", "date"} <= {*columns}:
        return False
    rows += f" AND {IS_POSSIBLE}" + (" AND close IS NOT NULL" if "close" in columns else "")
    values = ", ".join(name if name in columns else "NULL" for name in COLUMNS)
    if "close" in columns and not _can_read(
        con, f"INSERT INTO candidates SELECT {values}, {quoted(key)}, false {rows}"
    ):
        return False
    return _can_read(con, f"INSERT INTO expected SELECT symbol, date, {quoted(key)} {rows}")


def _can_read(con: DuckDBPyConnection, statement: str) -> bool:
    """Execute a statement; return whether everything that it reads can be decoded."""
    try:
        con.execute(statement).fetchall()
    except (duckdb.Error, UnicodeDecodeError):
        return False
    return True


def _row_groups(con: DuckDBPyConnection, path: str) -> list[tuple[int, int]]:
    """Return the first and the last row number of each row group; nothing if the footer cannot be read."""
    query = (
        f"SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata({quoted(path)}) ORDER BY row_group_id"
    )
    try:
        sizes = [size for _, size in con.execute(query).fetchall()]
    except (duckdb.Error, UnicodeDecodeError):
        return []
    groups, at = [], 0
    for size in sizes:
        groups.append((at, at + size - 1))
        at += size
    return groups


def _footer(con: DuckDBPyConnection, path: str) -> tuple[int | None, date | None, date | None]:
    """Return the number of rows and the first and last day as a file's footer has them."""
    query = (
        "SELECT sum(row_group_num_rows), "
        "min(TRY_CAST(stats_min_value AS DATE)), max(TRY_CAST(stats_max_value AS DATE)) "
        f"FROM parquet_metadata({quoted(path)}) WHERE lower(path_in_schema) = 'date'"
    )
    try:
        ((rows, first, last),) = con.execute(query).fetchall()
    except (duckdb.Error, UnicodeDecodeError):
        return None, None, None
    return rows, first, last


def _leave_out_unlikely(con: DuckDBPyConnection, key: str, file: DataFile) -> None:
    """Leave out rows of a damaged silver file whose day its manifest excludes, or whose symbol nothing else has.

    A flipped bit made them. If nothing else has any symbol, all of them stay.
    """
    outside = f"date NOT BETWEEN DATE '{file.first_date}' AND DATE '{file.last_date}'" if file.first_date else "false"
    symbols = "(SELECT symbol FROM held UNION SELECT symbol FROM record UNION "
    symbols += "SELECT symbol FROM candidates WHERE is_intact)"
    for table in ("candidates", "expected"):
        con.execute(
            f"DELETE FROM {table} WHERE object = {quoted(key)} AND ({outside} "
            f"OR (symbol NOT IN {symbols} AND EXISTS {symbols}))"
        )


def _insert(con: DuckDBPyConnection, table: str, columns: str, files: Sequence[str], where: str = "true") -> None:
    if files:
        source = f"read_parquet([{', '.join(map(quoted, files))}])"
        con.execute(f"INSERT INTO {table} SELECT {columns} FROM {source} WHERE close IS NOT NULL AND {where}")


def _not_in(symbols: Sequence[str]) -> str:
    return f"symbol NOT IN ({', '.join(map(quoted, symbols))})" if symbols else "true"


def _store(con: DuckDBPyConnection, lake: Lake) -> str:
    """Store the temp table `rescued` as a batch file of today, with the times of the original fetches."""
    used = {file.rsplit("/", 1)[-1] for name in ("listed_files", "used_names") for file in files_of(con, name)}
    today = datetime.now(UTC).date()
    key = next(key for part in count() if (key := raw_key(today, None, part)).removeprefix(RAW) not in used)
    lake.store.put(key, parquet(con, f"SELECT {RAW_COLUMNS} FROM rescued ORDER BY symbol, date"), replaces=None)
    return key
