"""Decide which files of a lake the views of a connection read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.errors import LakeWarning
from stockstream.sql.loader import load
from stockstream.sql.session.explanations import explain, first_line, is_fault_of_store
from stockstream.sql.variables import quoted, set_variable

ATTEMPTS = 10
"""Number of attempts to read the manifest on S3: DuckDB sends two requests, between which it may be replaced."""

FileFilter = Callable[[list[str]], Iterable[str]]
"""A function that selects batch files: it takes their URIs and returns those to read, which may be copies elsewhere."""
_intact: set[tuple[str, int, int, int]] = set()
"""Versions of batch files in folders that this process has read whole: a run opens many connections."""
Parts = tuple[Sequence[str], Sequence[str], Sequence[str]]
"""The parts of a silver table: the URIs of base, the URIs of delta, and the restated symbols."""


def list_files(con: DuckDBPyConnection, lake: str) -> None:
    """List the lake's files and set the variables that the views read, on a connection of `session.connect`.

    Raises:
        LakeError: the lake cannot be listed: no credentials, wrong ones, no such bucket, no connection.
    """
    # Some forty statements, each on a few values: to optimise them takes longer than to run them.
    con.execute("PRAGMA disable_optimizer")
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                con.execute(load("manifest").text + load("lake").text)
                return
            except duckdb.Error as error:
                if "ETag on reading file" not in str(error) or attempt == ATTEMPTS:
                    raise explain(error, lake) from None
    finally:
        con.execute("PRAGMA enable_optimizer")


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


def unreadable(con: DuckDBPyConnection, lake: str, files: Sequence[str]) -> dict[str, str]:
    """Return the reason per batch file that cannot be read whole, page by page, or is no batch file.

    All files are read at once; only if that fails are they read one by one. `con` has the views of `views/read_raw`;
    its variable `fresh_files` is overwritten.

    Raises:
        LakeError: the store cannot be read.
    """
    reasons: dict[str, str] = {}
    unverified = [file for file in files if (version := _version(file)) is None or version not in _intact]
    if unverified:
        result = _foreign_files(con, unverified)
        if isinstance(result, dict):
            reasons = result
        for file in unverified if isinstance(result, Exception) else ():
            result = _foreign_files(con, [file])
            if isinstance(result, duckdb.Error) and is_fault_of_store(result):
                raise explain(result, lake)
            reasons |= result if isinstance(result, dict) else {file: first_line(result)}
    _intact.update(version for file in unverified if file not in reasons and (version := _version(file)))
    return reasons


def _leave_out_unreadable(con: DuckDBPyConnection, lake: str) -> None:
    """Exclude unreadable batch files, with a warning per file."""
    files = files_of(con, "fresh_files")
    bad = unreadable(con, lake, files)
    for file, reason in bad.items():
        message = f"{file} is left out, it is no readable batch file ({reason}): `stockstream repair` sets it aside"
        warnings.warn(message, LakeWarning, stacklevel=4)
    set_variable(con, "fresh_files", [file for file in files if file not in bad])
    if bad:
        set_variable(con, "raw_files", [file for file in files_of(con, "raw_files") if file not in bad])
    set_variable(con, "unreadable_files", sorted(bad))


def _foreign_files(con: DuckDBPyConnection, files: Sequence[str]) -> dict[str, str] | Exception:
    """Return the reason by file for Parquet files that are not batch files; an error if a file cannot be read."""
    set_variable(con, "fresh_files", files)
    try:
        foreign: dict[str, str] = dict(con.execute(load("steps/foreign_files").text).fetchall())
        set_variable(con, "fresh_files", [file for file in files if file not in foreign])
        ((_, impossible),) = con.execute(load("steps/read_whole").text).fetchall()
        return foreign | dict.fromkeys(impossible or (), "it has a date before 1600 or after 9999")
    except (duckdb.Error, UnicodeDecodeError) as error:  # the message may quote bytes of the file
        return error


def _version(file: str) -> tuple[str, int, int, int] | None:
    """Return the path, inode, time and size of a file in a folder; None for one on S3, or that is gone."""
    try:
        stat = Path(file).stat()
    except OSError:
        return None
    return file, stat.st_ino, stat.st_mtime_ns, stat.st_size
