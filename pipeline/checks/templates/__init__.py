"""Turn generic rules into SQL that a person can read: one Jinja template per kind of rule, NAME.sql.jinja."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stockstream.sql.variables import quoted


def render(
    kind: str, table: str, parameters: Any, key: tuple[str, ...], date_column: str, where: str
) -> tuple[str, str]:
    """Return the SQL of a rule, and the rows that it checks: what follows FROM.

    `key` are the columns that a bad row has before `detail`; empty: all columns. `where` is a condition in SQL.
    """
    rows = f"(SELECT * FROM {table_name(table)} WHERE {where})" if where else table_name(table)
    text = (
        _environment()
        .get_template(f"{kind}.sql.jinja")
        .render(
            rows=rows,
            table=table,
            rule=parameters,
            key=key,
            date=date_column,
            now=datetime.now(UTC).replace(tzinfo=None),
        )
    )
    return text.strip() + ";\n", rows


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )  # no autoescape: the text is SQL, whose identifiers and literals the filters quote
    environment.filters |= {
        "name": identifier,
        "names": lambda names, prefix="": ", ".join(prefix + identifier(name) for name in names),
        "table": table_name,
        "literal": _literal,
        "cutoff": _cutoff,
    }
    return environment


def identifier(name: str) -> str:
    """Return a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def table_name(name: str) -> str:
    """Return the name of a table, perhaps after those of a database and a schema, with each part quoted."""
    return ".".join(map(identifier, name.split(".")))


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S}'"
    if isinstance(value, date):
        return f"DATE '{value}'"
    return quoted(value) if isinstance(value, str) else repr(value)


def _cutoff(now: datetime, within: str) -> str:
    """Return the literal of the oldest date or time that is `within` ago."""
    number, unit = within.split()
    if unit.startswith("day"):
        return _literal(now.date() - timedelta(days=int(number)))
    return _literal(now - timedelta(hours=int(number)))
