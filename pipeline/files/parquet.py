"""Parquet files as groups: files with the same columns and types are read together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.files.columns import places_by_name
from stockstream.pipeline.files.inputs import Input, UnreadableFile
from stockstream.pipeline.files.staging import Group
from stockstream.sql.session import quoted as literal

_KEY = "stockstream_file"


def read_schemas(
    con: DuckDBPyConnection, sources: Sequence[Input], columns: Mapping[str, str]
) -> tuple[list[Group], dict[int, str], dict[str, int]]:
    """Return the groups, the reason per file that has none, and the columns that are not used."""
    schemas: dict[tuple[tuple[str, str], ...], list[int]] = {}
    bad: dict[int, str] = {}
    for number, source in enumerate(sources):
        try:
            rows = con.execute(f"DESCRIBE FROM read_parquet({literal(source.path)})").fetchall()
            schemas.setdefault(tuple((name, kind) for name, kind, *_ in rows), []).append(number)
        except duckdb.Error as error:
            bad[number] = f"cannot be read: {str(error).splitlines()[0]}"
    groups: list[Group] = []
    unused: dict[str, int] = {}
    for schema, files in schemas.items():
        names = [name for name, _ in schema]
        try:
            places = places_by_name(names, columns)
        except UnreadableFile as error:
            bad |= dict.fromkeys(files, str(error))
            continue
        groups.append(_group([sources[file] for file in files], files, schema, places))
        for name in set(names) - {names[place] for place in places.values()}:
            unused[name] = unused.get(name, 0) + len(files)
    return groups, bad, unused


def _group(
    sources: Sequence[Input], files: list[int], schema: tuple[tuple[str, str], ...], places: dict[str, int]
) -> Group:
    selected, types = [], {}
    for ours, place in places.items():
        name, kind = schema[place]
        column = '"' + name.replace('"', '""') + '"'
        if kind == "TIMESTAMP WITH TIME ZONE":
            column, kind = f"strftime({column} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%SZ')", "VARCHAR"
        elif ours in ("symbol", "date", "time"):
            column, kind = f"CAST({column} AS VARCHAR)", "VARCHAR"
        selected.append(f"{column} AS {ours}")
        types[ours] = "VARCHAR" if kind.startswith("ENUM") else kind
    numbers = ", ".join(f"({literal(source.path)}, {file})" for source, file in zip(sources, files, strict=True))
    paths = ", ".join(literal(source.path) for source in sources)
    relation = (
        f"(SELECT k.file, r.file_row_number + 1 AS line, {', '.join(selected)} FROM"
        f" read_parquet([{paths}], filename = '{_KEY}', file_row_number = true) AS r"
        f" JOIN (VALUES {numbers}) AS k (path, file) ON r.{_KEY} = k.path)"
    )
    return Group(relation, types, files, names={ours: schema[place][0] for ours, place in places.items()})
