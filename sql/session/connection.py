"""Open a DuckDB connection on a lake, with its views and indicators."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.loader import HOME
from stockstream.sql.plugins import warn_of
from stockstream.sql.session.access import require_readable
from stockstream.sql.session.catalogue_file import START, connection_with_objects, create_objects
from stockstream.sql.session.lake_files import (
    FileFilter,
    list_files,
    pick_files,
    set_generation,
)
from stockstream.sql.session.locations import normalise
from stockstream.sql.session.pointer import read_by_pointer, use_pointer
from stockstream.sql.session.s3 import open_s3
from stockstream.sql.variables import empty_variables, set_variable


def connect(
    lake: str,
    *,
    file_filter: FileFilter | None = None,
    verify: bool = True,
    generation: int | None = None,
    only: Sequence[str] | None = None,
    by_pointer: bool = True,
    manifest: str | None = None,
) -> DuckDBPyConnection:
    """Return a DuckDB connection with every view and macro of `sql/README.md`, on the files that the lake has now.

    A missing or empty lake has zero rows. Use one connection per thread; `con.cursor()` does not inherit the lake's
    variables.

    - `lake`: a folder or s3://bucket/prefix.
    - `file_filter` selects which unconsolidated batch files the views merge with silver; None: all.
    - `verify` opens each of these files once; an unreadable file is left out, with a `LakeWarning`.
    - `generation`: the views read what this generation published, and nothing newer; None: the newest generation,
      and the batch files that it does not contain.
    - `only`: the files of the views that the caller needs, as `loader.views_for` returns them. The connection has no
      macros of indicators, and without a catalogue file (`catalogue_file`) these views alone, which saves 0.3 s; None:
      all views, and the macros of the indicators.
    - `by_pointer`: on S3, read what the pointer contains from there, which saves most requests. Writers do not: they
      list the whole lake.
    - `manifest`: a local file with a manifest that is read instead of the newest one; the pipeline computes the tables
      of a run one from the other before it publishes them.

    Raises:
        LakeError: the lake cannot be listed: no permission or credentials, no such bucket, no connection.
        UsageError: `lake` is not the URI of a lake.
    """
    lake = normalise(lake)
    if not lake.startswith("s3://"):
        require_readable(lake)
    copied = connection_with_objects(views_only=only is not None)
    con = copied or duckdb.connect(config=START)
    with suppress(duckdb.InvalidInputException):  # in a notebook without ipywidgets, which cannot draw it
        con.execute("SET enable_progress_bar = false")  # DuckDB draws it on the standard output of the program
    set_variable(con, "lake", lake)
    set_variable(con, "sql_home", str(HOME))
    is_on_s3 = lake.startswith("s3://")
    if is_on_s3:
        open_s3(con, lake)
    set_generation(con, generation)
    indexed = use_pointer(con, lake) if is_on_s3 and by_pointer and generation is None else {}
    set_variable(con, "candidate", manifest)
    con.execute(empty_variables())
    if copied is None:
        for reason in create_objects(con, only):
            warn_of(reason)
    list_files(con, lake)
    con.execute("RESET threads")
    set_variable(con, "listings", None)  # `list_files` lists everything if it is called again
    if indexed:
        read_by_pointer(con, indexed)
    pick_files(con, lake, file_filter, verify=verify and (only is None or "views/read_raw" in only))
    if is_on_s3 and verify and file_filter is None and only is None:
        con.execute("SET enable_http_metadata_cache = true")
        if not indexed:
            _read_footers(con)
    return con


def _read_footers(con: DuckDBPyConnection) -> None:
    """Read the footers of the files of silver's bars, so that later queries request only data from S3."""
    with suppress(duckdb.Error):  # the query that reads a damaged file reports it
        con.execute(
            "SELECT symbol FROM read_parquet(list_concat([schema_file('bars')], "
            "list_concat(silver_files('bars', 'base'), silver_files('bars', 'delta'))), union_by_name = true) LIMIT 0"
        )
