"""The DuckDB variables through which Python and the SQL files exchange values: `SET VARIABLE` and `getvariable()`.

`VARIABLES` lists all of them; `set_variable` is the only way in which Python sets one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from duckdb import DuckDBPyConnection

FILES = "VARCHAR[]"
TABLES = "MAP(VARCHAR, STRUCT(base VARCHAR[], delta VARCHAR[], restated VARCHAR[]))"

Value = str | int | date | Sequence[str] | Mapping[str, "Value"] | None


@dataclass(frozen=True)
class Variable:
    """A variable: its DuckDB type, its meaning, and whether the views cannot be created without it."""

    type: str
    """An empty type marks a variable that only SQL sets."""
    meaning: str
    is_bound: bool = False
    """DuckDB binds a view when it is created, so that this variable must exist by then; it is empty at first."""


VARIABLES: Mapping[str, Variable] = {
    # The connection.
    "lake": Variable("VARCHAR", "the lake: a folder or s3://bucket/prefix, without a slash at the end"),
    "sql_home": Variable("VARCHAR", "the folder that contains schema/ with the zero-row files"),
    "generation": Variable("INTEGER", "the generation to read; NULL: the newest, and the batch files newer than it"),
    "s3_endpoint": Variable("VARCHAR", "URL of the S3 endpoint; empty for AWS"),
    "s3_region": Variable("VARCHAR", "AWS region of the bucket"),
    # What lake.sql reads in the lake.
    "state_files": Variable("", "URIs of the files in state/"),
    "manifest_files": Variable("", "URIs of the manifests to read: the newest, and that of `generation`"),
    "manifests": Variable("", "those manifests, the newest first; NULL once lake.sql is done"),
    "manifest": Variable("", "the manifest that the views read"),
    "archive": Variable("", "the newest manifest's table of archived batch files"),
    "archived": Variable("", "names of the archived batch files"),
    "archive_files": Variable("", "URIs of the files that contain the archived rows"),
    "silver": Variable(TABLES, "per table: URIs of its base and delta files, and its restated symbols", True),
    "session_files": Variable(FILES, "URI of the trading calendar, as a list", True),
    "symbol_files": Variable(FILES, "URIs of the lists of companies", True),
    "listed_files": Variable("", "URIs of all batch files"),
    "used_names": Variable("", "names of batch files that must not be used again"),
    "unconsolidated_files": Variable(FILES, "URIs of the batch files that silver does not contain"),
    "fresh_files": Variable(FILES, "those of them that the views merge with silver", True),
    "raw_files": Variable(FILES, "URIs of the batch files that raw_bars reads", True),
    "unreadable_files": Variable(FILES, "URIs of the batch files that are left out because they cannot be read"),
    # Arguments of steps.
    "batch_symbols": Variable("VARCHAR[]", "symbols of the batch"),
    "restated": Variable("VARCHAR[]", "symbols whose whole history is written again"),
    "resumed": Variable("", "symbols whose numbering continues from a row before the cut"),
    "consolidated": Variable("VARCHAR[]", "names of the batch files that the table to be published contains"),
    "cut": Variable("DATE", "the last day whose rows stay in base"),
    "stable_through": Variable("DATE", "the last day whose rows other tables may have been computed from"),
    "through": Variable("DATE", "the last day that a table contains"),
    "since": Variable("DATE", "rows after this day are computed"),
    "cutoff": Variable("DATE", "rows after this day are read"),
    "lookback": Variable("INTEGER", "bars before `since` that the indicators need"),
    "every": Variable("VARCHAR", "size of a bucket: a number of sessions, week or month"),
    "list_files": Variable("VARCHAR[]", "URIs of the lists of companies to read"),
    "date_files": Variable("VARCHAR[]", "URIs of the files with listing dates to read"),
}


def set_variable(con: DuckDBPyConnection, name: str, value: Value) -> None:
    """Set a variable that the SQL files read with getvariable().

    Raises:
        KeyError: `VARIABLES` does not list it, or only SQL may set it.
    """
    con.execute(assignment(name, value))


def assignment(name: str, value: Value) -> str:
    """Return the statement that sets a variable; errors as in `set_variable`."""
    variable = VARIABLES.get(name)
    if variable is None or not variable.type:
        raise KeyError(f"{name} is not a variable that Python sets: sql/variables.py lists them")
    # A literal, because the first bound parameter makes DuckDB import pandas: a second of every command's start.
    return f"SET VARIABLE {name} = CAST({literal(value)} AS {variable.type})"


def empty_variables() -> str:
    """Return the statements that set what the views are bound to when they are created: no files, so none is opened."""
    empty: dict[str, Value] = {FILES: [], TABLES: {}}
    names = [name for name, variable in VARIABLES.items() if variable.is_bound]
    return "".join(f"{assignment(name, empty[VARIABLES[name].type])};\n" for name in names)


def literal(value: Value) -> str:
    """Return a value as a literal of SQL: a date as DATE, a mapping as STRUCT, which DuckDB casts to a MAP."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, date):
        return f"DATE '{value}'"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{quoted(key)}: {literal(of)}' for key, of in value.items())}}}" if value else "MAP {}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(quoted, value))}]"
    return "NULL" if value is None else str(value)


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
