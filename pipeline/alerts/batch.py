"""Running the batch rules on the published bars of a session."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time

from duckdb import DuckDBPyConnection

from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.rows import run_rule
from stockstream.pipeline.alerts.rules import Rule
from stockstream.sql.session import set_variable


def newest_session(con: DuckDBPyConnection, since: date) -> tuple[date, datetime] | None:
    """Return the day of the newest bar and the close of that session; None without a bar since a day."""
    row = con.execute(
        "SELECT b.date, s.close_utc FROM (SELECT max(date) AS date FROM bars WHERE date >= $since) AS b "
        "LEFT JOIN sessions AS s USING (date) WHERE b.date IS NOT NULL",
        {"since": since},
    ).fetchone()
    if row is None:
        return None
    day, close = row
    return day, (close or datetime.combine(day, time())).replace(tzinfo=UTC)


def batch_rules(rules: Iterable[Rule]) -> list[Rule]:
    """Return the rules that run after a publication, without wrong files."""
    return [rule for rule in rules if rule.header is not None and rule.header.runs == "batch"]


def evaluate(
    con: DuckDBPyConnection, rules: Iterable[Rule], session: date, close: datetime
) -> tuple[list[Alert], dict[str, str]]:
    """Return what the batch rules report about a session, and what is wrong with rules, by their names.

    A rule reads the views of the lake; `getvariable('session')` is the session. A wrong rule stops no other.
    """
    listed = list(rules)
    set_variable(con, "session", session)
    errors = {rule.name: rule.error for rule in listed if rule.error}
    alerts: list[Alert] = []
    for rule in batch_rules(listed):
        new, error = run_rule(con, rule, str(session), close.isoformat(timespec="milliseconds"))
        alerts += new
        if error:
            errors[rule.name] = error
    return alerts, errors
