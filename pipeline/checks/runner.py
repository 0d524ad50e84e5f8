"""Run checks on a DuckDB connection: count the bad rows, and list, filter and store them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection, ExpectedResultType, StatementType

from stockstream.pipeline.buckets import WHOLE, Bucket, buckets_of
from stockstream.pipeline.checks.baseline import Baseline
from stockstream.pipeline.checks.model import MAX_ROWS, Check, Finding
from stockstream.pipeline.checks.published import CHECK, compare_published
from stockstream.sql.session import explain, explain_damage
from stockstream.sql.variables import VARIABLES

ROWS = {"silver_bars": "silver_bars", "read_stored": "read_stored(fresh_files())"}
"""The rows by which the symbols are divided into buckets for the checks that allow it, by the view or macro they need:
a session may have only those that its checks need."""
BAD_ROWS = "stockstream_bad_rows"
"""The temp table with the result of the check that is running."""
ALLOWED = {
    StatementType.SELECT,
    StatementType.SET,
    StatementType.CREATE,
    StatementType.INSERT,
    StatementType.UPDATE,
    StatementType.DELETE,
    StatementType.DROP,
}
"""Statements of a check. None of these writes a file; COPY and ATTACH could, in the folders that can be read."""


_SET_VARIABLE = re.compile(r'(?:\s|--[^\n]*\n|/\*.*?\*/)*set\s+variable\s+"?(\w+)"?\s*=', re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Options:
    """What is reported of a check's bad rows, and where they are stored."""

    since: date | None = None
    """Only bad rows with this date or a later one; results without a date column are reported whole."""
    baseline: Baseline | None = None
    """Bad rows that are not reported again."""
    store: Path | None = None
    """A folder for one Parquet file per check with bad rows."""


@dataclass(frozen=True)
class _CannotRun(Exception):
    reason: str


def run_checks(con: DuckDBPyConnection, checks: Iterable[Check], options: Options | None = None) -> Iterator[Finding]:
    """Run checks in their order on a session of a lake or of tables; yields the finding of each.

    Raises:
        LakeError: S3 cannot be read.
    """
    buckets = cache(lambda: _buckets(con))
    for check in checks:
        try:
            if check.error is not None:
                raise _CannotRun(check.error)
            if check.name == CHECK and check.path is not None:
                compare_published(con)
            yield _run(con, check, options or Options(), buckets if check.by_symbol else lambda: [WHOLE])
        except duckdb.HTTPException as error:
            lake = con.execute("SELECT getvariable('lake')").fetchall()[0][0]
            raise explain(error, lake or "the tables") from None
        except duckdb.Error as error:
            lake = con.execute("SELECT getvariable('lake')").fetchall()[0][0]
            damage = explain_damage(error, lake) if lake else None
            yield Finding(check, 0, (), str(damage or " ".join(str(error).split("\n\nLINE ")[0].split())))
        except _CannotRun as error:
            yield Finding(check, 0, (), error.reason)


def _buckets(con: DuckDBPyConnection) -> list[Bucket]:
    existing = {
        name
        for (name,) in con.execute(
            "SELECT view_name FROM duckdb_views() UNION ALL SELECT function_name FROM duckdb_functions()"
        ).fetchall()
    }
    rows = [f"SELECT symbol FROM {source}" for name, source in ROWS.items() if name in existing]
    return buckets_of(con, f"({' UNION ALL '.join(rows)})") if rows else [WHOLE]


def _run(con: DuckDBPyConnection, check: Check, options: Options, buckets: Callable[[], list[Bucket]]) -> Finding:
    """Run a check in a transaction that is rolled back, so that what it creates is gone before the next one."""
    statements = con.extract_statements(check.sql)
    if not statements:
        raise _CannotRun("it is empty: write a SELECT of the bad rows")
    if statements[-1].type != StatementType.SELECT:
        raise _CannotRun("it does not end with a SELECT of the bad rows")
    if any(statement.expected_result_type == [ExpectedResultType.QUERY_RESULT] for statement in statements[:-1]):
        raise _CannotRun("it has several SELECTs, and each row is to be a bad one: join them with UNION ALL")
    variables = [name for statement in statements if (name := _variable_of(statement))]
    con.begin()
    try:
        for statement in statements[:-1]:
            con.execute(statement)
        _select(con, statements[-1].query.strip().rstrip(";"), buckets())
        return _report(con, check, options)
    finally:
        con.rollback()
        con.execute("".join(f"RESET variable {name};" for name in variables))


def _select(con: DuckDBPyConnection, query: str, buckets: list[Bucket]) -> None:
    """Make the table of bad rows, bucket by bucket, so that memory does not grow."""
    if len(buckets) == 1:
        con.execute(f"CREATE TEMP TABLE {BAD_ROWS} AS\n{query}")
        return
    con.execute(f"CREATE TEMP TABLE {BAD_ROWS} AS SELECT * FROM (\n{query}\n) LIMIT 0")
    for bucket in buckets:  # DuckDB pushes the condition into the scans
        con.execute(f"INSERT INTO {BAD_ROWS} SELECT * FROM (\n{query}\n) WHERE {bucket.condition}")


def _variable_of(statement: duckdb.Statement) -> str | None:
    """Return the variable that a statement sets, if any.

    Raises:
        _CannotRun: the statement could write a file, or change what the following checks read.
    """
    text = statement.query
    if statement.type not in ALLOWED or (statement.type == StatementType.CREATE and re.search(r"(?i)\bsecret\b", text)):
        raise _CannotRun(f"a check reads tables: it cannot have a statement of type {statement.type.name}")
    if statement.type != StatementType.SET:
        return None
    variable = _SET_VARIABLE.match(text)
    if variable is None:
        raise _CannotRun("a check can set variables of its own, and nothing else")
    if variable[1].lower() in VARIABLES:
        raise _CannotRun(f"the variable {variable[1]} is one of the views: use another name")
    return variable[1]


def _report(con: DuckDBPyConnection, check: Check, options: Options) -> Finding:
    """Return the finding of the bad rows in the temp table, without those that the options leave out."""
    columns = [row[0] for row in con.execute(f"FROM (DESCRIBE {BAD_ROWS})").fetchall()]
    if options.since is not None and check.date in columns:
        column = f'"{check.date}"'
        con.execute(f"DELETE FROM {BAD_ROWS} WHERE CAST({column} AS DATE) < DATE '{options.since}'")
    known_rows = options.baseline.remove_rows(con, check, BAD_ROWS, columns) if options.baseline else 0
    bad_rows = _number(con, f"FROM {BAD_ROWS}")
    con.execute(f"FROM {BAD_ROWS} LIMIT {MAX_ROWS}")
    rows = [dict(zip(columns, map(_plain, row), strict=True)) for row in con.fetchall()]
    if options.store is not None:
        _store(con, check, bad_rows, options.store)
    checked_rows = _number(con, f"FROM {check.rows_of}") if check.tolerate.percent is not None else None
    return Finding(check, bad_rows, rows, None, known_rows, checked_rows)


def _number(con: DuckDBPyConnection, rows: str) -> int:
    return int(con.execute(f"SELECT count(*) {rows}").fetchall()[0][0])


def _store(con: DuckDBPyConnection, check: Check, bad_rows: int, folder: Path) -> None:
    """Write the bad rows to FOLDER/CHECK.parquet, and delete a file of an earlier run if there are none.

    pyarrow writes the file, because a locked connection cannot.
    """
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', check.name).strip('-.') or 'sql'}.parquet"
    if not bad_rows:
        path.unlink(missing_ok=True)
        return
    import pyarrow.parquet

    folder.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(con.execute(f"FROM {BAD_ROWS}").to_arrow_table(), path, compression="zstd")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)
