"""The query of an alert rule: what it reads, and what DuckDB's errors say about it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection, StatementType

from stockstream.sql.session import quoted


def require_select(con: DuckDBPyConnection, query: str) -> None:
    """Check that a text is one SELECT, whose tables are not looked for.

    Raises:
        duckdb.Error: it is no SQL.
        ValueError: it is something else.
    """
    statements = con.extract_statements(query)
    if len(statements) != 1 or statements[0].type != StatementType.SELECT:
        kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise ValueError(f"a rule is one SELECT of symbol, value and message; the file has {kinds}")


def tables_in(con: DuckDBPyConnection, query: str) -> frozenset[str]:
    """Return the tables, views and table macros in a SELECT, and the texts in the macros' arguments, as `bars`.

    DuckDB's own `get_table_names` binds the query, which the variables of a lake's views do not survive.
    """
    tree = json.loads(con.execute(f"SELECT json_serialize_sql({quoted(query)})").fetchall()[0][0])
    return frozenset(name.lower() for name in _names(tree))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _names(item)
    elif isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            yield node["table_name"]
        elif node.get("type") == "TABLE_FUNCTION":
            yield node["function"]["function_name"]
            yield from _texts(node["function"])
        for value in node.values():
            yield from _names(value)


def _texts(node: Any) -> Iterator[str]:
    """Yield the text constants in an expression."""
    if isinstance(node, list):
        for item in node:
            yield from _texts(item)
    elif isinstance(node, dict):
        if node.get("type") == "VALUE_CONSTANT" and isinstance(node["value"].get("value"), str):
            yield node["value"]["value"]
        for value in node.values():
            yield from _texts(value)


def line_of(error: duckdb.Error, query: str) -> int:
    """Return the line of a query that an error of DuckDB names; the first line of the query if it names none."""
    match = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
    return int(match[1]) if match else first_line(query)


def first_line(query: str) -> int:
    """Return the number of the first line that has text."""
    return query[: len(query) - len(query.lstrip())].count("\n") + 1


def message_of(error: duckdb.Error) -> str:
    """Return the message of an error of DuckDB, in one line and without the text of the query."""
    return " ".join(re.split(r"^\s*LINE \d+:", str(error), maxsplit=1, flags=re.MULTILINE)[0].split())
