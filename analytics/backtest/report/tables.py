"""Writes tables as CSV and Parquet; equal rows are written as equal bytes.

DuckDB writes the Parquet files, because pyarrow's writer imports pandas.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import duckdb

from stockstream.pipeline.configuration import settings
from stockstream.sql.errors import LakeError
from stockstream.sql.session import quoted
from stockstream.sql.text import without_formula

TYPES: dict[type, str] = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", date: "DATE", str: "VARCHAR"}
"""SQL type per Python type."""
WIDENING = (("BIGINT", "DOUBLE"), ("DOUBLE", "DATE"), ("DOUBLE", "VARCHAR"))
"""Changes of a column's type by a later value: (type so far, type of the value). A column of NULLs starts as DOUBLE."""


def write_table(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str], stem: Path) -> list[Path]:
    """Write rows to stem.csv and stem.parquet; return their paths.

    `types` has the SQL type per column, in the order of the columns; other values of the rows are left out.

    Raises:
        LakeError: the folder is not writable.
    """
    text, binary = stem.with_name(f"{stem.name}.csv"), stem.with_name(f"{stem.name}.parquet")
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        with text.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(types), extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        columns = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in types.items())
        form = "header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"'"
        with duckdb.connect() as con:
            source = f"FROM read_csv({quoted(str(text))}, columns = {{{columns}}}, {form})"
            con.execute(f"COPY ({source}) TO {quoted(str(binary))} (FORMAT parquet, COMPRESSION zstd)")
        if not settings().raw_names:
            _neutralise(text, [name for name, kind in types.items() if kind == "VARCHAR"])
    except (OSError, duckdb.Error) as error:
        raise LakeError(f"cannot write {stem}: {str(error).splitlines()[0]}") from None
    return [text, binary]


def _neutralise(file: Path, texts: Sequence[str]) -> None:
    """Rewrite a CSV file if a spreadsheet would take a text in it for a formula; Parquet has the texts as they are."""
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    safe = [row | {name: without_formula(row[name]) for name in texts} for row in rows]
    if safe != rows:
        with file.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, list(safe[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(safe)


def types_of(kind: type) -> dict[str, str]:
    """Return the SQL type per field of a class of rows, such as `Transaction`; a field may also be None."""
    return {name: _type_of(hint) for name, hint in get_type_hints(kind).items()}


def _type_of(hint: Any) -> str:
    kind = next(one for one in (*get_args(hint), hint) if one is not NoneType)
    return TYPES[str if issubclass(kind, str) else kind]


def types_in(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the SQL type per column, from the values of the rows."""
    types: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            kind = TYPES.get(type(value), "VARCHAR")
            current = types.get(name)
            if value is None:
                types.setdefault(name, "DOUBLE")
            elif current is None or (current, kind) in WIDENING:
                types[name] = kind
    return types
