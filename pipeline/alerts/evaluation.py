"""Running the live rules on the bars of a session: the same for a stream, a Lambda function and a past day.

A rule reads `live`, `indicators_live`, `levels` and `live_feed`, which are small tables of this connection here, and
any view of the lake. `evaluate` returns what the rules say now; `memory.py` knows what is new of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from stockstream.pipeline.alerts.carry import carry, is_published
from stockstream.pipeline.alerts.levels import Level
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.query import first_line, line_of, message_of
from stockstream.pipeline.alerts.rules import COLUMNS, Rule, live_rules
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import Lake
from stockstream.sql.loader import load
from stockstream.sql.session import connect, explain, quoted

TABLES = "steps/alert_tables"
CARRIED = frozenset({"carried", "indicators_live", "live_indicators"})
"""What a rule that reads one of these needs the table `carried` for."""
ALL = "*"
"""The symbol of an alert about the feed as a whole."""
MAX_ROWS = 100_000
"""Rows that are taken from a rule."""


@dataclass(frozen=True)
class FeedState:
    """The state of the feed as a whole, for the table `live_feed` (sql/steps/alert_tables.sql describes it)."""

    clock: float
    """Seconds since 1970."""
    newest: float | None = None
    """Seconds since 1970; None before the first event."""
    silent_seconds: float = 0.0
    symbols: int = 0
    missed: float = 0.0
    symbols_missed: int = 0
    missed_seconds: float = 0.0

    @property
    def at(self) -> str:
        """The clock in ISO 8601, UTC."""
        return datetime.fromtimestamp(self.clock, UTC).isoformat(timespec="milliseconds")


class Evaluation:
    """The live rules of a session on one connection, which one thread uses at a time.

    Opening it reads the lake, and binds every rule: a rule that is wrong is in `errors`, with file and line, and one
    that lacks a table in `waiting`; the others run.
    """

    def __init__(
        self,
        lake: Lake,
        session: date,
        rules: Iterable[Rule],
        levels: Sequence[Level] = (),
        *,
        recompute: bool = False,
    ) -> None:
        """Open the lake; `recompute` computes what is carried from the bars before the session, whatever is published.

        Raises:
            LakeError: the lake cannot be read.
        """
        listed = list(rules)
        self.session = session
        self._uri = lake.uri
        self.errors: dict[str, str] = {rule.name: rule.error for rule in listed if rule.error}
        """What is wrong, by rule: with the file, or with what it returned the last time."""
        self.waiting: dict[str, str] = {}
        """The rules that cannot run yet, with the reason."""
        self._con = connect(lake.uri, by_pointer=False)
        try:
            self._con.execute("SET threads = 1")  # the tables are small
            self._con.execute(load(TABLES).text)
            self.computed = 0
            """Number of symbols whose averages were computed, because the published ones are of another bar."""
            is_carried = recompute or is_published(self._con)
            if is_carried:
                self.computed = carry(self._con, session, recompute=recompute)
        except duckdb.Error as error:
            raise explain(error, lake.uri) from None
        if levels:
            rows = ", ".join(f"({quoted(one.symbol)}, {one.level!r}, {quoted(one.note)})" for one in levels)
            self._con.execute(f"INSERT INTO levels VALUES {rows}")
        database = self._con.execute("SELECT current_database()").fetchall()[0][0]
        self._of_lake = f'SELECT * FROM "{database}".main.live WHERE session = DATE {quoted(str(session))}'
        self.use_query(f"{self._of_lake} LIMIT 0")
        self._refill(FeedState(0.0))
        self.rules = [rule for rule in live_rules(listed) if self._is_bound(rule, is_carried)]
        """The rules that run."""

    def close(self) -> None:
        """Close the connection."""
        self._con.close()

    def use_rows(self, rows: Any) -> None:
        """Set the live bars: an Arrow table, or whatever DuckDB can register, with the columns of the view `live`."""
        self._con.register("live_rows_given", rows)
        self._con.execute("CREATE OR REPLACE TEMP VIEW live AS FROM live_rows_given")

    def use_lake(self) -> None:
        """Set the live bars: those of the session's newest state in the lake."""
        self.use_query(self._of_lake)

    def use_query(self, query: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Set the live bars: the rows of a query now, with the columns of the view `live`; return their number.

        Raises:
            LakeError: the lake cannot be read.
        """
        try:
            self._con.execute(f"CREATE OR REPLACE TEMP TABLE live_rows AS {query}", parameters)
            self._con.execute("CREATE OR REPLACE TEMP VIEW live AS FROM live_rows")
            return int(self._con.execute("SELECT count(*) FROM live_rows").fetchall()[0][0])
        except duckdb.Error as error:
            raise explain(error, self._uri) from None

    def evaluate(self, feed: FeedState) -> list[Alert]:
        """Return what the rules say about the live bars; a rule that fails is in `errors`, and the others run.

        Raises:
            LakeError: the live bars cannot be read.
        """
        self._refill(feed)
        return [alert for rule in self.rules for alert in self._alerts(rule, feed.at)]

    def _refill(self, feed: FeedState) -> None:
        newest = "NULL" if feed.newest is None else f"make_timestamp({round(1e6 * feed.newest)})"
        try:
            self._con.execute(
                "CREATE OR REPLACE TEMP TABLE indicators_live AS FROM live_indicators('live', 'carried');"
                "DELETE FROM live_feed;"
                f"INSERT INTO live_feed VALUES (DATE '{self.session}', make_timestamp({round(1e6 * feed.clock)}), "
                f"{newest}, {feed.silent_seconds!r}, {feed.symbols}, {feed.missed!r}, {feed.symbols_missed}, "
                f"{feed.missed_seconds!r})"
            )
        except duckdb.Error as error:
            raise LakeError(f"the live bars of {self.session} cannot be read: {message_of(error)}") from None

    def _is_bound(self, rule: Rule, is_carried: bool) -> bool:
        """Return whether a rule can run; otherwise note why not."""
        try:
            columns = [row[0].lower() for row in self._con.execute(f"DESCRIBE {rule.query}").fetchall()]
        except duckdb.Error as error:
            self.errors[rule.name] = rule.at_line(line_of(error, rule.query), message_of(error))
            return False
        if lacks := [name for name in COLUMNS if name not in columns]:
            reason = f"it does not return {' and '.join(lacks)}: a rule returns symbol, value and message"
            self.errors[rule.name] = rule.at_line(first_line(rule.query), reason)
            return False
        if rule.reads & CARRIED and not is_carried:
            self.waiting[rule.name] = "it needs the table carried, which the next `stockstream run` publishes"
            return False
        return True

    def _alerts(self, rule: Rule, at: str) -> list[Alert]:
        try:
            cursor = self._con.execute(rule.query)
            columns = [column[0].lower() for column in cursor.description or ()]
            places = [columns.index(name) for name in COLUMNS]
            rows = cursor.fetchmany(MAX_ROWS)
            alerts = [self._alert(rule, at, *(row[place] for place in places)) for row in rows]
        except duckdb.Error as error:
            self.errors[rule.name] = rule.at_line(line_of(error, rule.query), message_of(error))
            return []
        except ValueError as error:
            self.errors[rule.name] = rule.at_line(first_line(rule.query), str(error))
            return []
        self.errors.pop(rule.name, None)
        return alerts

    def _alert(self, rule: Rule, at: str, symbol: Any, value: Any, message: Any) -> Alert:
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
        return Alert(rule.name, symbol, str(self.session), at, header.severity, number, message, header.channels)
