"""Writes rows as CSV and Parquet, the same rows the same bytes. By way of DuckDB: pyarrow's writer imports pandas."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_type_hints

import duckdb

from stockstream.sql.errors import LakeError
from stockstream.sql.session import quoted

TYPES: dict[type, str] = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", date: "DATE", str: "VARCHAR"}
"""SQL's by Python's."""


def write_table(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str], stem: Path) -> list[Path]:
    """Write stem.csv and stem.parquet, with the columns of `types` (SQL); give their paths.

    Raises:
        LakeError: the folder cannot be written to.
    """
    text, binary = stem.with_name(f"{stem.name}.csv"), stem.with_name(f"{stem.name}.parquet")
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        with text.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(types), extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        columns = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in types.items())
        how = f"columns = {{{columns}}}, header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"'"
        with duckdb.connect() as con:
            rows_of = f"FROM read_csv({quoted(str(text))}, {how})"
            con.execute(f"COPY ({rows_of}) TO {quoted(str(binary))} (FORMAT parquet, COMPRESSION zstd)")
    except (OSError, duckdb.Error) as error:
        raise LakeError(f"cannot write {stem}: {str(error).splitlines()[0]}") from None
    return [text, binary]


def types_of(kind: type) -> dict[str, str]:
    """Give the columns of a class of rows with their types in SQL."""
    return {name: TYPES[of] for name, of in get_type_hints(kind).items()}


def types_in(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Give the columns of some rows with their types in SQL, by their values."""
    found: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            kind = TYPES.get(type(value), "VARCHAR")
            known = found.get(name)
            if value is None:
                found.setdefault(name, "DOUBLE")
            elif known is None or (known, kind) in (("BIGINT", "DOUBLE"), ("DOUBLE", "DATE"), ("DOUBLE", "VARCHAR")):
                found[name] = kind
    return found
