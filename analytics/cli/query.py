"""`stockstream query`: one SQL text on a lake."""

from __future__ import annotations

import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from analytics.cli.options import AsOfOption, JsonOption, LakeOption, lake_uri
from analytics.session import generation_of
from sql.errors import LakeError, StockStreamError, UsageError
from sql.session import connect, explain, normalise, quoted


class Format(StrEnum):
    """How a result is written."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


_COPY = {
    Format.csv: "FORMAT csv, HEADER true",
    Format.json: "FORMAT json, ARRAY true",
    Format.parquet: "FORMAT parquet, COMPRESSION zstd",
}


class QueryError(StockStreamError):
    """The SQL is wrong, or what it asks for cannot be computed."""


def query(
    sql: Annotated[str, typer.Argument(help="SQL, the name of a .sql file, or - for standard input.")],
    lake: LakeOption = None,
    as_of: AsOfOption = None,
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.table,
    as_json: JsonOption = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file, else standard output.")] = None,
) -> None:
    """Run one SQL text on a lake, with the views of FROM lake_help().

    Example: stockstream query "SELECT symbol, max(date) FROM bars GROUP BY symbol" --format csv
    """
    text = _text(sql)
    format = Format.json if as_json else format
    if format is Format.parquet and output is None and sys.stdout.isatty():
        raise UsageError("--format parquet is not for a terminal: name a file with -o")
    uri = lake_uri(lake)
    with connect(uri, generation=generation_of(uri, as_of)) as con:
        try:
            result = con.sql(text)
            if result is None:  # a statement without rows, such as COPY
                return
            if format is Format.table:
                _write((str(result) + "\n").encode(), output)
            else:
                _write(_rendered(con, result, format), output)
        except duckdb.Error as error:
            # What else the SQL reads or writes (COPY ... TO) is not the lake's fault.
            of_lake = isinstance(error, duckdb.HTTPException | duckdb.IOException) and normalise(uri) in str(error)
            raise (explain(error, uri) if of_lake else QueryError(str(error))) from None


def _rendered(con: duckdb.DuckDBPyConnection, result: duckdb.DuckDBPyRelation, format: Format) -> bytes:
    # By way of a file: DuckDB can write to /dev/stdout, but cuts off what a redirected one holds already.
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        path = Path(folder) / "result"
        # Not result.query(): it binds, which asks S3, while it holds the GIL.
        con.execute(f"COPY (FROM result) TO {quoted(str(path))} ({_COPY[format]})")
        return path.read_bytes()


def _text(sql: str) -> str:
    if sql == "-":
        return sys.stdin.read()
    if sql.endswith(".sql"):
        try:
            return Path(sql).read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot read {sql}: {error.strerror}") from None
    return sql


def _write(data: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(data)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise LakeError(f"cannot write {output}: {error.strerror}") from None
