"""Output of query results: a table, CSV, JSON or Parquet, to standard output or a file."""

from __future__ import annotations

import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from stockstream.sql.errors import LakeError, UsageError
from stockstream.sql.session import quoted


class Format(StrEnum):
    """Format of a result."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


FormatOption = Annotated[Format, typer.Option(help="Format of the result.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file.", show_default="standard output")
]

_COPY = {
    Format.csv: "FORMAT csv, HEADER true",
    Format.json: "FORMAT json, ARRAY true",
    Format.parquet: "FORMAT parquet, COMPRESSION zstd",
}


def result_format(format: Format, as_json: bool, output: Path | None) -> Format:
    """Return the format that `--format` and `--json` select.

    Raises:
        UsageError: the result is Parquet, and standard output is a terminal.
    """
    format = Format.json if as_json else format
    if format is Format.parquet and output is None and sys.stdout.isatty():
        raise UsageError("--format parquet is not for a terminal: name a file with -o")
    return format


def show(con: DuckDBPyConnection, result: DuckDBPyRelation, format: Format, output: Path | None) -> None:
    """Write a result to a file, or to standard output if `output` is None.

    Raises:
        LakeError: the file cannot be written.
        duckdb.Error: the result cannot be computed.
    """
    data = (str(result) + "\n").encode() if format is Format.table else _rendered(con, result, format)
    if output is None:
        sys.stdout.buffer.write(data)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise LakeError(f"cannot write {output}: {error.strerror}") from None


def _rendered(con: DuckDBPyConnection, result: DuckDBPyRelation, format: Format) -> bytes:
    # Through a temporary file: DuckDB would truncate the file to which /dev/stdout is redirected.
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        path = Path(folder) / "result"
        # Not result.query(): it does not release the GIL while it binds, and binding may send requests to S3.
        con.execute(f"COPY (FROM result) TO {quoted(str(path))} ({_COPY[format]})")
        return path.read_bytes()
