"""A DuckDB connection on a lake: extensions, credentials and the views of `init.sql`, for all that runs Python."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.errors import LakeError, UsageError
from stockstream.sql.loader import HOME, load, macros, views

DEFAULT_REGION = "ap-southeast-2"
LOOKS = 10
SILVER_TYPE = "MAP(VARCHAR, STRUCT(base VARCHAR[], delta VARCHAR[], restated VARCHAR[]))"
"""Of the variable `silver`, as `lake.sql` sets it."""


class LakeWarning(UserWarning):
    """Part of a lake cannot be read; the rest is served."""


def normalise(lake: str) -> str:
    """Give a lake's URI in the form that the views use: no slash at the end, `~` expanded.

    Raises:
        UsageError: it is neither a folder nor s3://bucket/prefix, or has a name that DuckDB takes as a pattern.
    """
    if any(sign in lake for sign in "*?["):  # DuckDB has no escape for them that holds for lists of files too
        raise UsageError(f"{lake} cannot be a lake: * ? [ in its name are patterns to DuckDB")
    if lake.startswith("s3://"):
        if not lake.removeprefix("s3://").partition("/")[0]:
            raise UsageError(f"{lake} names no bucket: write s3://bucket or s3://bucket/prefix")
        return lake.rstrip("/")
    if "://" in lake:
        raise UsageError(f"{lake} is no lake: name a folder or s3://bucket/prefix")
    return str(Path(lake or ".").expanduser()).rstrip("/") or "/"


def extension(name: str) -> str:
    """Give what to LOAD for a DuckDB extension: the file in its PyPI package where installed, else its name.

    The file needs no HOME and no network, as on Lambda.
    """
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is not None and spec.origin is not None:
        found = sorted(Path(spec.origin).parent.glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"))
        if found:
            return str(found[0])
    return name


def run_date(file: str) -> date | None:
    """Give the day that a batch file is named after; None where its name is no batch file's."""
    try:
        return date.fromisoformat(file.rsplit("/", 1)[-1][:10])
    except ValueError:
        return None


FileFilter = Callable[[list[str]], Iterable[str]]
"""Picks batch files: is given the URIs of all, gives those to read, which may be copies elsewhere."""


def connect(
    lake: str,
    *,
    file_filter: FileFilter | None = None,
    verify: bool = True,
    generation: int | None = None,
    only: Sequence[str] | None = None,
) -> DuckDBPyConnection:
    """Open a lake: a connection with every view of `sql/README.md` on the files that are there now.

    The views read silver merged with the batch files that are not consolidated yet. `file_filter` returns those of
    them to read, and `verify` opens each once; unreadable files are left out, each named by a `LakeWarning`.
    With `generation` they read what that generation published, and nothing newer. `only` names the views to make, as
    `loader.views_for` gives them: a tenth of a second less. A missing or empty lake is served as zero rows. One
    connection a thread; a cursor of it does not do.

    Raises:
        LakeError: the lake cannot be listed: no credentials, wrong ones, no such bucket, no connection.
    """
    lake = normalise(lake)
    con = duckdb.connect(config={"autoinstall_known_extensions": False, "allow_community_extensions": False})
    set_variable(con, "lake", lake)
    set_variable(con, "sql_home", str(HOME))
    if lake.startswith("s3://"):
        _open_s3(con, lake)
    set_generation(con, generation)
    # Views are bound when they are made: without files, so that none is opened.
    for variable in ("raw_files", "fresh_files", "symbol_files", "session_files"):
        set_variable(con, variable, [])
    con.execute(f"SET VARIABLE silver = MAP {{}}::{SILVER_TYPE}")
    _create_views(con, only)
    list_files(con, lake)
    pick_files(con, lake, file_filter, verify=verify and (only is None or "views/read_raw" in only))
    if verify and file_filter is None and only is None:
        _open_silver(con, lake)
    return con


def _create_views(con: DuckDBPyConnection, only: Sequence[str] | None) -> None:
    """Create the views that `only` names; None: all views and the macros of the indicators."""
    con.execute("".join(load(name).text for name in (views() if only is None else only)))
    for name in macros() if only is None else ():
        con.execute(load(name).text)  # one by one: DuckDB's parser takes two files' windows of a name for the same


def list_files(con: DuckDBPyConnection, lake: str) -> None:
    """Look again which files the lake has now, on a connection of `connect()`; errors as there."""
    for attempt in range(1, LOOKS + 1):
        try:
            con.execute(load("lake").text)
            return
        except duckdb.Error as error:
            # DuckDB reads from S3 in two requests, and the pointer may be replaced between them.
            if "ETag on reading file" not in str(error) or attempt == LOOKS:
                raise explain(error, lake) from None


def listed_files(con: DuckDBPyConnection) -> list[str]:
    """Give all batch files that were there when the connection looked last."""
    return files_of(con, "listed_files")


def set_generation(con: DuckDBPyConnection, generation: int | None) -> None:
    """Have `list_files` look at one generation; None: at the newest, and the batch files that are newer still."""
    con.execute(f"SET VARIABLE generation = {'NULL' if generation is None else int(generation)}")


Parts = tuple[Sequence[str], Sequence[str], Sequence[str]]
"""Of a silver table: the files of base, the files of delta, and the restated symbols."""


def set_silver(con: DuckDBPyConnection, tables: Mapping[str, Parts]) -> None:
    """Have the views read other silver files than the manifest's, by table."""

    def entry(parts: Parts) -> str:
        names = zip(("base", "delta", "restated"), parts, strict=True)
        return "{" + ", ".join(f"{name}: {_list(values)}" for name, values in names) + "}"

    entries = ", ".join(f"{quoted(table)}: {entry(parts)}" for table, parts in tables.items())
    con.execute(f"SET VARIABLE silver = MAP {{{entries}}}::{SILVER_TYPE}")


def silver_of(con: DuckDBPyConnection, table: str) -> Parts:
    """Give the files that the views read of a silver table; none where there is no such table."""
    row = con.execute(f"SELECT unnest(getvariable('silver')[{quoted(table)}])").fetchone()
    return (row[0], row[1], row[2]) if row and row[0] is not None else ([], [], [])


def pick_files(
    con: DuckDBPyConnection, lake: str, file_filter: FileFilter | None = None, *, verify: bool = True
) -> None:
    """Have the views merge those of the unconsolidated batch files that `file_filter` picks; see `connect`."""
    files = files_of(con, "unconsolidated_files")
    set_variable(con, "fresh_files", sorted(file_filter(files)) if file_filter is not None else files)
    if verify:
        _leave_out_unreadable(con, lake)


def set_variable(con: DuckDBPyConnection, name: str, value: str | date | Sequence[str]) -> None:
    """Set a variable that the SQL files read with getvariable()."""
    # Written into the statement: its first parameter makes DuckDB import pandas, a second of every command's start.
    if isinstance(value, date):
        literal = f"DATE '{value}'"
    else:
        literal = quoted(value) if isinstance(value, str) else _list(value)
    con.execute(f"SET VARIABLE {name} = {literal}")


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, values))}]::VARCHAR[]"


def quoted(text: str) -> str:
    """Write a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def explain(error: duckdb.Error, lake: str) -> LakeError:
    """Turn DuckDB's error about a lake into one line that says what to do."""
    text = str(error).split("\n\nLINE ")[0]
    first = " ".join(text.split())
    hints = {
        "InvalidAccessKeyId": "S3 does not know the access key: check the AWS credentials in use",
        "SignatureDoesNotMatch": "the secret access key is wrong: check the AWS credentials in use",
        "ExpiredToken": "the AWS credentials have expired: log in again",
        "InvalidToken": "the AWS session token is wrong: check the AWS credentials in use, or log in again",
        "NoSuchBucket": "there is no such bucket",
        "Secret Validation Failure": "no AWS credentials found: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or log in",
        "HTTP 403": "access denied: check the AWS credentials in use and what they may read",
        "Could not establish connection": "no connection to S3",
        "Could not connect": "no connection to S3",
    }
    for sign, advice in hints.items():
        if sign in first:
            return LakeError(f"cannot read {lake}: {advice}")
    return LakeError(f"cannot read {lake}: {first}")


def _open_s3(con: DuckDBPyConnection, lake: str) -> None:
    for name in ("httpfs", "aws"):
        con.execute(f"LOAD '{extension(name)}'")
    set_variable(con, "s3_endpoint", os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", ""))
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    set_variable(con, "s3_region", region)
    try:
        con.execute(load("secret").text)
    except duckdb.Error as error:
        raise explain(error, lake) from None


def files_of(con: DuckDBPyConnection, variable: str) -> list[str]:
    """Give a variable that is a list of files."""
    row = con.execute(f"SELECT getvariable({quoted(variable)})").fetchone()
    return list(row[0] or []) if row else []


def _open_silver(con: DuckDBPyConnection, lake: str) -> None:
    """Read the footers of the bars now, so that each query after this asks S3 for data only."""
    if not lake.startswith("s3://"):
        return
    con.execute("SET enable_http_metadata_cache = true")
    with suppress(duckdb.Error):  # the query that needs the file says what is wrong with it
        con.execute(
            "SELECT symbol FROM read_parquet(list_concat([getvariable('sql_home') || '/schema/bars.parquet'], "
            "list_concat(silver_files('bars', 'base'), silver_files('bars', 'delta'))), union_by_name = true) LIMIT 0"
        )


def _leave_out_unreadable(con: DuckDBPyConnection, lake: str) -> None:
    """Open all new batch files at once; only if that fails open them one by one to find which is none."""
    everything = files_of(con, "fresh_files")
    bad: dict[str, str] = {}
    reason = _readable(con)
    if isinstance(reason, duckdb.Error):
        for file in everything:
            set_variable(con, "fresh_files", [file])
            reason = _readable(con)
            if isinstance(reason, duckdb.HTTPException | duckdb.IOException):
                raise explain(reason, lake)  # the store is at fault, not the file
            if isinstance(reason, duckdb.Error):
                bad[file] = str(reason).split("\n")[0].removeprefix("Invalid Input Error: ")
            else:
                bad |= reason
    else:
        bad = reason
    for file, why in bad.items():
        warnings.warn(
            f"{file} is left out, it is no readable batch file ({why}): move it away", LakeWarning, stacklevel=4
        )
    set_variable(con, "fresh_files", [file for file in everything if file not in bad])
    if bad:
        set_variable(con, "raw_files", [file for file in files_of(con, "raw_files") if file not in bad])
    set_variable(con, "unreadable_files", sorted(bad))


def _readable(con: DuckDBPyConnection) -> dict[str, str] | duckdb.Error:
    """Give the new files that are Parquet of something else, with why; or the error, if one is not even that."""
    try:
        con.execute("SELECT symbol FROM read_raw(getvariable('fresh_files')) LIMIT 0")
        if not files_of(con, "fresh_files"):
            return {}
        return dict(con.execute(load("steps/foreign_files").text).fetchall())
    except duckdb.Error as error:
        return error
