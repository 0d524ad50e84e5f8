"""Decide which files of a lake the views of a connection read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.loader import load
from stockstream.sql.session.explanations import explain
from stockstream.sql.variables import quoted, set_variable

ATTEMPTS = 10
"""Number of attempts to read the manifest on S3: DuckDB sends two requests, between which it may be replaced."""

FileFilter = Callable[[list[str]], Iterable[str]]
"""A function that selects batch files: it takes their URIs and returns those to read, which may be copies elsewhere."""
Parts = tuple[Sequence[str], Sequence[str], Sequence[str]]
"""The parts of a silver table: the URIs of base, the URIs of delta, and the restated symbols."""


class LakeWarning(UserWarning):
    """A file of the lake cannot be read; the views return the rest."""


def list_files(con: DuckDBPyConnection, lake: str) -> None:
    """List the lake's files and set the variables that the views read, on a connection of `session.connect`.

    Raises:
        LakeError: the lake cannot be listed: no credentials, wrong ones, no such bucket, no connection.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            con.execute(load("lake").text)
            return
        except duckdb.Error as error:
            if "ETag on reading file" not in str(error) or attempt == ATTEMPTS:
                raise explain(error, lake) from None


def is_lake(con: DuckDBPyConnection) -> bool:
    """Return whether the lake of a connection exists: it has files in state/, raw-data/ or symbols/."""
    return any(files_of(con, variable) for variable in ("state_files", "listed_files", "symbol_files"))


def no_lake(lake: str) -> str:
    """Return the message that there is no lake at a URI."""
    if lake.startswith("s3://"):
        reason = "no object of a lake has this prefix"
    elif os.path.isdir(lake):  # noqa: PTH112 (which raises nothing for a folder without permission)
        reason = "the folder has no file of a lake"
    else:
        reason = "there is no such folder"
    return f"{lake} is no lake: {reason} (`stockstream run` makes one; --lake or STOCKSTREAM_LAKE names another)"


def files_of(con: DuckDBPyConnection, variable: str) -> list[str]:
    """Return the value of a variable that is a list of files."""
    # fetchall, as a result that is not read to its end holds a transaction, in which DuckDB binds no further table.
    ((files,),) = con.execute(f"SELECT getvariable({quoted(variable)})").fetchall()
    return list(files or [])


def listed_files(con: DuckDBPyConnection) -> list[str]:
    """Return the URIs of all batch files that the lake had when `list_files` last ran."""
    return files_of(con, "listed_files")


def set_generation(con: DuckDBPyConnection, generation: int | None) -> None:
    """Set the generation that `list_files` reads; None: the newest, and the batch files that it does not contain."""
    set_variable(con, "generation", generation)


def set_silver(con: DuckDBPyConnection, tables: Mapping[str, Parts]) -> None:
    """Replace the silver files that the views read: by table, its parts instead of those in the manifest."""
    names = ("base", "delta", "restated")
    set_variable(con, "silver", {table: dict(zip(names, parts, strict=True)) for table, parts in tables.items()})


def silver_of(con: DuckDBPyConnection, table: str) -> Parts:
    """Return the parts of a silver table that the views read; empty lists if there is no such table."""
    row = con.execute(f"SELECT unnest(getvariable('silver')[{quoted(table)}])").fetchone()
    return (row[0], row[1], row[2]) if row and row[0] is not None else ([], [], [])


def pick_files(
    con: DuckDBPyConnection, lake: str, file_filter: FileFilter | None = None, *, verify: bool = True
) -> None:
    """Set the batch files that the views merge with silver: the unconsolidated ones that `file_filter` selects.

    `verify` leaves out files that cannot be read, with a `LakeWarning` per file.

    Raises:
        LakeError: S3 cannot be read.
    """
    files = files_of(con, "unconsolidated_files")
    set_variable(con, "fresh_files", sorted(file_filter(files)) if file_filter is not None else files)
    if verify:
        _leave_out_unreadable(con, lake)


def _leave_out_unreadable(con: DuckDBPyConnection, lake: str) -> None:
    """Exclude unreadable batch files, with a warning per file.

    All files are opened at once. Only if that fails are they opened one by one to find the unreadable ones.
    """
    files = files_of(con, "fresh_files")
    bad: dict[str, str] = {}
    result = _foreign_files(con)
    if isinstance(result, duckdb.Error):
        for file in files:
            set_variable(con, "fresh_files", [file])
            result = _foreign_files(con)
            if isinstance(result, duckdb.HTTPException | duckdb.IOException):
                raise explain(result, lake)  # the store is at fault, not the file
            if isinstance(result, duckdb.Error):
                bad[file] = str(result).split("\n")[0].removeprefix("Invalid Input Error: ")
            else:
                bad |= result
    else:
        bad = result
    for file, reason in bad.items():
        message = f"{file} is left out, it is no readable batch file ({reason}): move it away"
        warnings.warn(message, LakeWarning, stacklevel=4)
    set_variable(con, "fresh_files", [file for file in files if file not in bad])
    if bad:
        set_variable(con, "raw_files", [file for file in files_of(con, "raw_files") if file not in bad])
    set_variable(con, "unreadable_files", sorted(bad))


def _foreign_files(con: DuckDBPyConnection) -> dict[str, str] | duckdb.Error:
    """Return the reason by file for Parquet files that are not batch files; an error if a file is not Parquet."""
    try:
        con.execute("SELECT symbol FROM read_raw(getvariable('fresh_files')) LIMIT 0")
        if not files_of(con, "fresh_files"):
            return {}
        return dict(con.execute(load("steps/foreign_files").text).fetchall())
    except duckdb.Error as error:
        return error
