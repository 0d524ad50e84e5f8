"""Output of query results: a table, CSV, JSON, Parquet or Arrow, to standard output or a file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from stockstream.sql.errors import LakeError, UsageError, did_you_mean
from stockstream.sql.session import quoted
from stockstream.sql.text import FORMULA, printable, without_formula


class Format(StrEnum):
    """Format of a result."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


SUFFIXES = {
    ".txt": "table",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
"""Format by the end of a file's name: those of `Format`, and two that only make sense in a file."""

FormatOption = Annotated[
    Format | None, typer.Option(help="Format of the result.", show_default="by the end of the file's name, or table")
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help=f"Write to this file, as a whole or not at all. Its name decides the format: {', '.join(SUFFIXES)}.",
        show_default="standard output",
    ),
]

_ASCII_LINES = str.maketrans("┌┬┐├┼┤└┴┘─│·", "+++++++++-|.")
"""The lines of a table, for a stream that lacks them."""
_COPY = {
    "csv": "FORMAT csv, HEADER true",
    "json": "FORMAT json, ARRAY true",
    "jsonl": "FORMAT json",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


def result_format(format: Format | None, as_json: bool, output: Path | None) -> str:
    """Return the format that `--format` and `--json` select, otherwise the one of the file's name, otherwise a table.

    Raises:
        UsageError: the options contradict each other or the file's name, which has an unknown end; or the result is
            binary, and standard output is a terminal.
    """
    if as_json and format not in (None, Format.json):
        raise UsageError(f"--json and --format {format} contradict each other: write one of them")
    chosen: str | None = Format.json if as_json else format
    if output is not None and (suffix := output.suffix.lower()):
        named = SUFFIXES.get(suffix)
        if chosen is None and named is None:
            near = did_you_mean(suffix, SUFFIXES)
            raise UsageError(f"-o {output}: {suffix} is no format: there are {', '.join(SUFFIXES)}, or --format{near}")
        if chosen is not None and named not in (None, chosen):
            raise UsageError(f"-o {output} and --format {chosen} contradict each other: omit --format, or rename it")
        chosen = chosen or named
    chosen = chosen or Format.table
    if chosen == Format.parquet and output is None and sys.stdout.isatty():
        raise UsageError(f"--format {chosen} is not for a terminal: name a file with -o")
    return chosen


RawNamesOption = Annotated[
    bool,
    typer.Option(
        "--raw-names",
        help="Leave text as it is: control characters in tables, and in CSV what a spreadsheet takes for a formula.",
        show_default="$STOCKSTREAM_RAW_NAMES",
    ),
]


def show(
    con: DuckDBPyConnection, result: DuckDBPyRelation, format: str, output: Path | None, raw_names: bool = False
) -> None:
    """Write a result to a file, or to standard output if `output` is None. The file appears when it is complete.

    In a table and in CSV, text is shown without harm (see `sql.text`), unless `raw_names` or the setting is set.

    Raises:
        LakeError: the file cannot be written.
        duckdb.Error: the result cannot be computed.
    """
    if output is None or (output.exists() and not output.is_file()):  # a pipe or a device is not replaced
        # Through a temporary file: DuckDB would truncate the file to which /dev/stdout is redirected.
        with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
            path = Path(folder) / "result"
            _write(con, result, format, path, raw_names)
            with _explained(output):
                if output is None:
                    _print(path.read_bytes(), format, raw_names)
                else:
                    output.write_bytes(path.read_bytes())
        return
    target = output.resolve()  # a symbolic link stays one
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _explained(output):
            part.touch()
        _write(con, result, format, part, raw_names)
        with _explained(output):
            part.replace(target)
    finally:
        _wait_for_threads(con)
        part.unlink(missing_ok=True)


def _wait_for_threads(con: DuckDBPyConnection) -> None:
    """Wait until DuckDB's threads have ended a statement that failed or that a signal has interrupted.

    They go on when the error has been raised, and might create the file of a COPY after it has been deleted. The next
    statement of the connection ends them.
    """
    with suppress(duckdb.Error):
        con.interrupt()
        con.execute("SELECT 1")


def _print(result: bytes, format: str, raw_names: bool) -> None:
    """Write a result to standard output: as it is, but for a terminal, and a table in the characters of the stream."""
    if sys.stdout.isatty() and not _is_raw(raw_names):
        sys.stdout.write(printable(result.decode()))
    elif format == "table" and not _has_lines(sys.stdout.encoding):
        sys.stdout.write(result.decode().translate(_ASCII_LINES))
    else:
        sys.stdout.buffer.write(result)
    sys.stdout.flush()


def _is_raw(raw_names: bool) -> bool:
    from stockstream.pipeline.configuration import settings

    return raw_names or settings().raw_names


def _has_lines(encoding: str) -> bool:
    try:
        return bool("│".encode(encoding))
    except UnicodeEncodeError:
        return False


def _write(con: DuckDBPyConnection, result: DuckDBPyRelation, format: str, path: Path, raw_names: bool) -> None:
    is_raw = _is_raw(raw_names)
    if format == "csv" and not is_raw:
        result = _without_formulas(result)
    if format == "table":
        path.write_text(f"{result}\n" if is_raw else printable(f"{result}\n"), encoding="utf-8")
    elif format == "arrow":
        import pyarrow.ipc  # takes a while to import

        batches = result.fetch_arrow_reader()
        with pyarrow.ipc.new_file(str(path), batches.schema) as file:
            for batch in batches:
                file.write_batch(batch)
    else:
        # Not result.query(): it does not release the GIL while it binds, and binding may send requests to S3.
        con.execute(f"COPY (FROM result) TO {quoted(str(path))} ({_COPY[format]}, USE_TMP_FILE false)")


def _without_formulas(result: DuckDBPyRelation) -> DuckDBPyRelation:
    """Return a result whose names of columns and texts no spreadsheet takes for formulas; numbers stay as they are."""
    columns = []
    for number, (name, kind) in enumerate(zip(result.columns, result.types, strict=True), 1):
        text = rf"regexp_replace(CAST(#{number} AS VARCHAR), '{FORMULA}', '''\0')"
        quoted_name = without_formula(name).replace('"', '""')
        columns.append(f'{text if kind.id in ("varchar", "enum") else f"#{number}"} AS "{quoted_name}"')
    return result.project(", ".join(columns))


@contextmanager
def _explained(output: Path | None) -> Iterator[None]:
    """Turn an error of the file system into one line."""
    try:
        yield
    except OSError as error:
        if output is None:
            raise
        raise LakeError(f"cannot write {output}: {error.strerror}") from None
