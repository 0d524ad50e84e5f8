"""Name the damaged file of a lake behind an error of DuckDB, and the command that mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.errors import LakeError
from stockstream.sql.variables import quoted, set_variable

DAMAGE = re.compile(
    "No magic bytes|too small to be a Parquet|Failed to read|TProtocolException|don't know what type|invalid TType"
    "|Out of buffer|[Cc]orrupted|Payload value bigger|Footer length|Malformed|Could not read enough bytes"
    "|Incorrect stats|Information loss on integer cast|converted type|requires a length and scale|schema mismatch"
    "|CSV Error|Invalid unicode|utf-8"
)
"""What DuckDB says about the contents of a file, often without its name."""
GONE = re.compile("No files found that match|No such file|404")
FOLDERS = ("silver/*/*.parquet", "raw-data/*.parquet", "quarantine/*.parquet", "state/*.parquet")
KEY = r"(?:state|silver|raw-data|raw-metadata|quarantine|symbols)/[^'\"*?\[\s]+\.(?:parquet|csv|json)"
"""The key of an object in a message."""
REPAIR = "`stockstream repair` shows what can be restored"


def says_damage(error: Exception) -> bool:
    """Return whether an error of DuckDB is about the contents of a file."""
    return DAMAGE.search(str(error)) is not None


def text_of(error: Exception) -> str:
    """Return the text of an error as one line, without the position in the SQL or in a Python module."""
    return " ".join(re.split(r"\n\n(?:LINE |At:\n)", str(error))[0].split())


def passed_through(text: str) -> LakeError | None:
    """Return the error that `objects` has raised while DuckDB was reading; None if DuckDB itself failed."""
    match = re.match(r"(?:LakeError|NoLake): (.*)", text)
    return LakeError(match[1]) if match else None


def file_in(text: str, lake: str) -> str | None:
    """Return the file of a lake that a message names."""
    before = r"s3://|https?://" if lake.startswith("s3://") else re.escape(f"{lake}/")  # S3 has several URLs
    named = re.search(rf"(?:{before})[^'\"*?\[\s]*?({KEY})", text)
    return f"{lake}/{named[1]}" if named else None


def explain_damage(error: Exception, lake: str) -> LakeError | None:
    """Return the error that names the file of a lake which is gone or damaged; None if the cause is another one.

    If DuckDB does not name the file, all files of the lake are read to find it, those of the newest generation first.
    """
    text = text_of(error)
    if (passed := passed_through(text)) is not None:
        return passed
    is_gone = GONE.search(text) is not None
    if not is_gone and not says_damage(error):
        return None
    reason = "it is gone" if is_gone else "it is damaged"
    file = file_in(text, lake) or (None if is_gone else _search(lake))
    return LakeError(f"cannot read {file}: {reason}: {REPAIR}") if file is not None else None


def _search(lake: str) -> str | None:
    """Return the first file that cannot be read whole."""
    from stockstream.sql.session.s3 import open_s3  # it explains its errors, too

    with duckdb.connect(config={"autoinstall_known_extensions": False}) as con:
        if lake.startswith("s3://"):
            set_variable(con, "lake", lake)
            open_s3(con, lake)
        for file in _files(con, lake):
            try:
                source = f"read_parquet({quoted(file)})"
                columns = ", ".join(f'"{name}"' for name in con.sql(f"FROM {source}").columns)
                con.execute(f"SELECT bit_xor(hash({columns})) FROM {source}").fetchall()
            except (duckdb.Error, UnicodeDecodeError):
                return file
    return None


def _files(con: DuckDBPyConnection, lake: str) -> Iterator[str]:
    for pattern in FOLDERS:
        with suppress(duckdb.Error):
            rows = con.execute(f"SELECT file FROM glob({quoted(f'{lake}/{pattern}')}) ORDER BY file DESC").fetchall()
            yield from (file for (file,) in sorted(rows, key=lambda row: row[0].rsplit("/", 1)[-1], reverse=True))
