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
    """A DuckDB variable: its type, its meaning, and whether it must exist before the views are created."""

    type: str
    """The DuckDB type; empty for a variable that only SQL sets."""
    meaning: str
    is_bound: bool = False
    """Whether creating the views requires the variable, because DuckDB binds a view at that moment.

    `empty_variables` sets it to an empty value first.
    """


VARIABLES: Mapping[str, Variable] = {
    # The connection.
    "lake": Variable("VARCHAR", "the lake: a folder or s3://bucket/prefix, without a slash at the end"),
    "sql_home": Variable("VARCHAR", "the folder that contains schema/ with the zero-row files"),
    "generation": Variable("INTEGER", "the generation to read; NULL: the newest, and the batch files newer than it"),
    "candidate": Variable("VARCHAR", "a local file with the manifest to read instead of the newest; NULL: the newest"),
    "s3_endpoint": Variable("VARCHAR", "URL of the S3 endpoint; empty for AWS"),
    "s3_region": Variable("VARCHAR", "AWS region of the bucket"),
    # The lake's files: manifest.sql and lake.sql set these variables.
    "state_files": Variable("", "URIs of the files in state/"),
    "listings": Variable(
        "MAP(VARCHAR, VARCHAR[])",
        "per folder: URIs in place of a listing; NULL: list all folders, and believe no list of the pointer",
    ),
    "lists": Variable("", "what the pointer lists; NULL: it lists nothing, or is not believed"),
    "pointer_files": Variable("", "URI of the pointer, as a list"),
    "pointer": Variable("", "what the pointer says, NULL if it is damaged, and when it was written"),
    "manifest_pattern": Variable("", "where to look for a manifest that is newer than the pointer"),
    "manifest_files": Variable("", "URIs of the manifests to read: a newer one, and the one of `generation`"),
    "manifests": Variable("", "the contents of these manifests; NULL after manifest.sql has run"),
    "chosen": Variable("", "the texts of the newest manifest and of the one to read; NULL after manifest.sql has run"),
    "manifest": Variable("", "the manifest that the views read"),
    "consolidated_names": Variable("", "the batch files that it contains, in their stored form"),
    "set_aside_names": Variable("", "the batch files that were set aside, in their stored form"),
    "archive": Variable("", "the table `raw` of the newest manifest: the archive of batch files"),
    "archived": Variable("", "names of the archived batch files"),
    "archive_files": Variable(FILES, "URIs of the files that contain the archived rows"),
    "silver": Variable(TABLES, "per table: URIs of its base and delta files, and its restated symbols", True),
    "session_files": Variable(FILES, "URI of the trading calendar, as a list", True),
    "symbol_files": Variable(FILES, "URIs of the lists of companies", True),
    "listed_files": Variable("", "URIs of all batch files"),
    "used_names": Variable("", "names of batch files that must not be used again"),
    "unconsolidated_files": Variable(FILES, "URIs of the batch files that silver does not contain"),
    "fresh_files": Variable(FILES, "URIs of the unconsolidated batch files that the views merge with silver", True),
    "raw_files": Variable(FILES, "URIs of the batch files that raw_bars reads", True),
    "quarantine_files": Variable(FILES, "URIs of the files with values that could not be read", True),
    "live_files": Variable(FILES, "pattern of the live bars' states, as a list; none if a generation is set", True),
    "raw_event_files": Variable(FILES, "pattern of the arranged raw events, as a list; none if there are none", True),
    "raw_arrival_files": Variable(FILES, "pattern of the raw events in the order of their arrival, as a list", True),
    "unreadable_files": Variable(FILES, "URIs of the batch files that are left out because they cannot be read"),
    "damaged_files": Variable("MAP(VARCHAR, VARCHAR)", "per damaged silver file what is wrong; set for a check"),
    # The steps' arguments.
    "batch_symbols": Variable("VARCHAR[]", "symbols of the batch"),
    "first_day": Variable("DATE", "first day of a reconciliation"),
    "last_day": Variable("DATE", "last day of a reconciliation"),
    "restated": Variable("VARCHAR[]", "symbols whose whole history is rewritten"),
    "bucket_from": Variable("VARCHAR", "the first symbol of the bucket that the step computes"),
    "bucket_until": Variable("VARCHAR", "the first symbol after that bucket"),
    "is_partial": Variable("BOOLEAN", "whether files of the table bars are gone or damaged"),
    "newest_day": Variable("", "the newest day of the bars that the step computes from"),
    "resumed": Variable("", "symbols whose numbering continues from a row before the cut"),
    "consolidated": Variable("VARCHAR[]", "names of the batch files that the table to be published contains"),
    "cut": Variable("DATE", "the last day that base keeps; rows after it are rewritten"),
    "stable_through": Variable("DATE", "the last day whose rows do not change until base is rewritten"),
    "through": Variable("DATE", "the last day that the stored table's base covers"),
    "since": Variable("DATE", "the step computes the rows after this day"),
    "cutoff": Variable("DATE", "the step reads the bars after this day: `since`, less the days of the lookback"),
    "lookback": Variable("INTEGER", "number of bars before `since` that the indicators need"),
    "session": Variable("DATE", "the step computes from the bars before this session; a batch rule reports about it"),
    "sums_from": Variable("", "the first of the days from which stored sums are continued"),
    "sums_through": Variable("", "the last of these days"),
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
    """Return the statement that sets a variable to a value. Raises what `set_variable` raises."""
    variable = VARIABLES.get(name)
    if variable is None or not variable.type:
        raise KeyError(f"{name} is not a variable that Python sets: sql/variables.py lists them")
    # A literal, because the first bound parameter makes DuckDB import pandas, which takes a second in every command.
    return f"SET VARIABLE {name} = CAST({literal(value)} AS {variable.type})"


def empty_variables() -> str:
    """Return the statements that set the `is_bound` variables to empty values, so that creating views opens no file."""
    empty: dict[str, Value] = {FILES: [], TABLES: {}}
    names = [name for name, variable in VARIABLES.items() if variable.is_bound]
    return "".join(f"{assignment(name, empty[VARIABLES[name].type])};\n" for name in names)


def literal(value: Value) -> str:
    """Return a value as a SQL literal: a date as DATE, a mapping as STRUCT, which DuckDB casts to a MAP."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, date):
        return f"DATE '{value}'"
    if isinstance(value, Mapping):
        items = ", ".join(f"{quoted(key)}: {literal(item)}" for key, item in value.items())
        return f"{{{items}}}" if value else "MAP {}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(quoted, value))}]"
    return "NULL" if value is None else str(value)


def quoted(text: str) -> str:
    """Return a text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
