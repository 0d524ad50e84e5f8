"""The rows of a rule as alerts: the same for rules on live bars and on published ones."""

from __future__ import annotations

import math
from collections.abc import Container
from contextlib import suppress
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.query import first_line, line_of, message_of
from stockstream.pipeline.alerts.rules import COLUMNS, Rule

ALL = "*"
"""The symbol of an alert about the feed as a whole."""
MAX_ROWS = 100_000
"""Rows that a rule may return: more are a mistake of the rule."""


def run_rule(
    con: DuckDBPyConnection,
    rule: Rule,
    session: str,
    at: str,
    plan: str | None = None,
    remembered: Container[tuple[str, str]] = (),
) -> tuple[list[Alert], str | None]:
    """Run a rule; return its alerts, and what is wrong with it: then it has none.

    `plan` is the name of the prepared query, if it is prepared. Rows of a rule and symbol in `remembered` are left out.
    """
    try:
        cursor = _executed(con, rule, plan)
        columns = [column[0].lower() for column in cursor.description or ()]
        require_columns(columns)
        places = [columns.index(name) for name in COLUMNS]
        rows = cursor.fetchmany(MAX_ROWS + 1)
        if len(rows) > MAX_ROWS:
            raise ValueError(f"it returned more than {MAX_ROWS:,} rows, of which none is used")
        symbol = places[0]
        new = [row for row in rows if (rule.name, row[symbol]) not in remembered] if remembered else rows
        return [_alert(rule, session, at, *(row[place] for place in places)) for row in new], None
    except duckdb.Error as error:
        return [], rule.at_line(line_of(error, rule.query), message_of(error))
    except ValueError as error:
        return [], rule.at_line(first_line(rule.query), str(error))


def _executed(con: DuckDBPyConnection, rule: Rule, plan: str | None) -> DuckDBPyConnection:
    """Execute a rule by its plan; if that fails, without it: then the error names the line."""
    if plan is not None:
        with suppress(duckdb.Error):
            return con.execute(f"EXECUTE {plan}")
    return con.execute(rule.query)


def require_columns(columns: list[str]) -> None:
    """Check that a rule returns what an alert needs.

    Raises:
        ValueError: it does not.
    """
    if lacks := [name for name in COLUMNS if name not in columns]:
        raise ValueError(f"it does not return {' and '.join(lacks)}: a rule returns symbol, value and message")


def _alert(rule: Rule, session: str, at: str, symbol: Any, value: Any, message: Any) -> Alert:
    """Return the alert of a row.

    Raises:
        ValueError: the row has a value that cannot be.
    """
    assert rule.header is not None
    if not isinstance(symbol, str) or not symbol:
        raise ValueError(f"it returned the symbol {symbol!r}: a symbol is a text, and {ALL} stands for all")
    if not isinstance(message, str) or not message:
        raise ValueError(f"it returned the message {message!r} for {symbol}: a message is a text")
    try:
        number = None if value is None else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"it returned the value {value!r} for {symbol}: a value is a number, or NULL") from None
    if number is not None and not math.isfinite(number):
        raise ValueError(f"it returned the value {number} for {symbol}, as of a division by zero: use nullif")
    header = rule.header
    return Alert(rule.name, symbol, session, at, header.severity, number, message, header.channels)
