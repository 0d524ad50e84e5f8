"""Open what checks run on, and lock the connection, so that the SQL of other people reads nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import UsageError
from stockstream.sql.loader import HOME
from stockstream.sql.session import extension, quoted, set_variable
from stockstream.sql.session.s3 import open_s3

READERS = {
    "read_parquet": (".parquet", ".parq", ".pq"),
    "read_csv": (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".csv.zst"),
    "read_json": (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz"),
}
"""The function of DuckDB that reads a file, by the end of its name."""


def parse_table(text: str) -> tuple[str, str]:
    """Return name and files of a text such as `prices=data/*.csv`.

    Raises:
        UsageError: the text has another form.
    """
    name, equals, files = text.partition("=")
    if not (equals and name.strip() and files.strip()):
        raise UsageError(f"--table {text}: write NAME=FILES, e.g. bars=bars.parquet or prices=data/*.csv")
    return name.strip(), files.strip()


def open_database(path: Path | None) -> DuckDBPyConnection:
    """Return a connection without a lake, whose tables are those of a DuckDB file, opened to be read only.

    Raises:
        UsageError: there is no such file, or it is no DuckDB database, or another process is writing it.
    """
    con = duckdb.connect(config={"autoinstall_known_extensions": False, "allow_community_extensions": False})
    if path is None:
        return con
    if not path.is_file():
        raise UsageError(f"--database {path}: there is no such file")
    try:
        con.execute(f"ATTACH {quoted(str(path))} AS checked (READ_ONLY)")
    except duckdb.Error as error:
        raise UsageError(f"--database {path}: {_first_line(error)}") from None
    con.execute("USE checked")
    return con


def add_tables(con: DuckDBPyConnection, tables: Iterable[tuple[str, str]]) -> list[str]:
    """Create a temporary view per table on its files, in the order of the names; return the files.

    Raises:
        UsageError: there is no such file, it cannot be read, or two tables have one name.
    """
    files: list[str] = []
    names: set[str] = set()
    for name, pattern in tables:
        if name in names:
            raise UsageError(f"--table {name}=…: two tables have this name")
        names.add(name)
        files += (parts := _files(con, name, pattern))
        reader = _reader(name, parts[0])
        listed = ", ".join(map(quoted, parts))
        view = '"' + name.replace('"', '""') + '"'
        option = ", union_by_name = true" if len(parts) > 1 else ""
        try:
            con.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS FROM {reader}([{listed}]{option})")
        except duckdb.Error as error:
            raise UsageError(f"--table {name}={pattern}: {_first_line(error)}") from None
    return files


def lock(con: DuckDBPyConnection, files: Sequence[str] = (), lake: str | None = None) -> None:
    """Let a connection read these files and the lake, and nothing else, until it is closed.

    Extensions cannot be loaded and no setting can be changed afterwards. DuckDB would allow COPY to write what can be
    read; the runner refuses such statements.
    """
    folders = [f"{HOME}/", *([f"{lake}/"] if lake else [])]
    for name, value in (("allowed_directories", folders), ("allowed_paths", files)):
        con.execute(f"SET {name} = [{', '.join(map(quoted, value))}]")
    con.execute("SET enable_external_access = false; SET lock_configuration = true")


def _files(con: DuckDBPyConnection, name: str, pattern: str) -> list[str]:
    """Return the files of a pattern, sorted. Raises UsageError if there is none."""
    if pattern.startswith("s3://"):
        _open_s3(con)
    elif pattern.startswith(("http://", "https://")):
        con.execute(f"LOAD '{extension('httpfs')}'")
        return [pattern]
    else:
        pattern = str(Path(pattern).expanduser())
    files = [row[0] for row in con.execute(f"SELECT file FROM glob({quoted(pattern)}) ORDER BY file").fetchall()]
    if not files:
        raise UsageError(f"--table {name}={pattern}: there is no such file")
    return files


def _open_s3(con: DuckDBPyConnection) -> None:
    """Let a connection read all of S3 with the credentials in use; a lake that is open stays so."""
    lake = con.execute("SELECT getvariable('lake')").fetchall()[0][0]
    set_variable(con, "lake", "s3://")
    open_s3(con, "s3://")
    set_variable(con, "lake", lake)


def _reader(name: str, file: str) -> str:
    for function, suffixes in READERS.items():
        if file.lower().endswith(suffixes):
            return function
    endings = ", ".join(suffix for suffixes in READERS.values() for suffix in suffixes)
    raise UsageError(f"--table {name}={file}: the name of the file must end with one of {endings}")


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]
