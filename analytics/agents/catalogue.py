"""`lake_help` for the serving file: the objects that `query` has, which are fewer than those of a lake's connection."""

from __future__ import annotations

from typing import Any

from stockstream.analytics.serving.generations import Served
from stockstream.analytics.serving.problems import Problem
from stockstream.pipeline.serving_file import RESAMPLED
from stockstream.sql.errors import did_you_mean
from stockstream.sql.session import connect

_OBJECTS = """
SELECT table_name AS name, 'view' AS kind FROM duckdb_tables() WHERE schema_name = 'main'
UNION SELECT view_name, 'view' FROM duckdb_views() WHERE NOT internal
UNION SELECT function_name, 'macro' FROM duckdb_functions() WHERE NOT internal AND function_type = 'table_macro'
"""
_RESAMPLED = {
    "name": RESAMPLED,
    "kind": "view",
    "what": "The stored bars of weeks, months and several sessions, with the column timeframe.",
    "prices": "split-adjusted",
    "example": f"FROM {RESAMPLED} WHERE timeframe = 'weekly' AND symbol = 'BHP' ORDER BY date",
}
"""What the serving file has as a table, and a connection on a lake as a macro."""
NOTES = [
    "query runs one SELECT on these objects; there is no other table, and the prices as stored (bars) are not here",
    "rows come in no order: add ORDER BY",
    "lake_help with the argument object lists the columns of one object, with their units",
]


class Catalogue:
    """What the objects of a serving file are, from the comments of the views and macros of this version."""

    def __init__(self, lake: str) -> None:
        self._con = connect(lake, verify=False)

    def rows(self, served: Served, name: str | None) -> list[dict[str, Any]]:
        """Return all objects, or one and its columns.

        Raises:
            Problem: there is no such object (404).
        """
        cursor = self._con.cursor()
        objects = set(served.cursor.execute(_OBJECTS).fetchall())
        if name is None:
            rows = _rows(cursor.execute("FROM lake_help()"))
            listed = [row for row in rows if (row["name"].split("(")[0], row["kind"]) in objects]
            return sorted([*listed, _RESAMPLED], key=lambda row: (row["kind"] != "view", row["name"]))
        key = name.split("(")[0].strip().lower()
        if key == RESAMPLED:
            columns = served.cursor.execute(
                "SELECT column_name AS name, data_type AS kind FROM duckdb_columns() "
                f"WHERE schema_name = 'main' AND table_name = '{RESAMPLED}' ORDER BY column_index"
            )
            return [_RESAMPLED, *(dict.fromkeys(_RESAMPLED) | row for row in _rows(columns))]
        names = {one for one, _ in objects}
        if key not in names:
            hint = did_you_mean(key, sorted(names)) or ""
            raise Problem(404, f"object: there is no {name}{hint}: lake_help without it lists all")
        return _rows(cursor.execute("FROM lake_help($object)", {"object": key}))


def _rows(cursor: Any) -> list[dict[str, Any]]:
    names = [column for column, *_ in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
