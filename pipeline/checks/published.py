"""Compare the files of the silver tables with the manifest, for the check `files__published`."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from stockstream.pipeline.generations import generation
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.verification import damaged
from stockstream.sql.session import set_variable

CHECK = "files__published"


def compare_published(con: DuckDBPyConnection) -> None:
    """Set the variable `damaged_files` for the generation that a session of a lake reads; each file is read whole.

    Raises:
        LakeError: the lake cannot be read.
        UsageError: the generation has been vacuumed since the session was opened.
    """
    uri, number = con.execute("SELECT getvariable('lake'), getvariable('manifest').generation").fetchall()[0]
    lake = Lake(uri)
    tables = generation(lake, number).tables.values() if number else ()
    reasons = damaged(lake, (file for table in tables for file in table.files))
    set_variable(con, "damaged_files", {lake.store.uri(key): reason for key, reason in reasons.items()})
