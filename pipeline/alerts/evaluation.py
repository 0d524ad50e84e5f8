"""Running the live rules on the bars of a session: the same for a stream, a Lambda function and a past day.

A rule reads `live`, `indicators_live`, `levels` and `live_feed`, which are small tables of this connection here, and
any view of the lake. `evaluate` returns what the rules say now; `memory.py` knows what is new of it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from stockstream.pipeline.alerts.carry import continue_from, is_published
from stockstream.pipeline.alerts.levels import Level
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.query import first_line, line_of, message_of
from stockstream.pipeline.alerts.rows import require_columns, run_rule
from stockstream.pipeline.alerts.rules import Rule, live_rules
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import Lake
from stockstream.sql.loader import load
from stockstream.sql.session import connect, explain, quoted

TABLES = "steps/alert_tables"
CARRIED = frozenset({"carried", "indicators_live", "live_indicators"})
"""What a rule that reads one of these needs the table `carried` for."""
BY_CONTENT = ("statistics_propagation", "compressed_materialization")
"""The optimizers that use the statistics of tables."""
MAX_EVALUATIONS = 10
"""Evaluations after which the tables are made again: rows that are deleted stay in a table and are read."""


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
                self.computed = continue_from(self._con, session, recompute=recompute)
        except duckdb.Error as error:
            raise explain(error, lake.uri) from None
        if levels:
            rows = ", ".join(f"({quoted(one.symbol)}, {one.level!r}, {quoted(one.note)})" for one in levels)
            self._con.execute(f"INSERT INTO levels VALUES {rows}")
        database = self._con.execute("SELECT current_database()").fetchall()[0][0]
        self._of_lake = f'SELECT * FROM "{database}".main.live WHERE session = DATE {quoted(str(session))}'
        self._evaluations = 0
        self.rules: list[Rule] = []
        """The rules that run."""
        self._make_tables()
        self.rules = [rule for rule in live_rules(listed) if self._is_bound(rule, is_carried)]
        self._prepare()

    def close(self) -> None:
        """Close the connection."""
        self._con.close()

    def use_rows(self, rows: Any) -> None:
        """Set the live bars: an Arrow table, or whatever DuckDB can read, with the columns of the view `live`."""
        self._con.execute("DELETE FROM temp.live")
        self._con.execute("INSERT INTO temp.live FROM rows")  # `register` would change the catalogue, and so all plans

    def use_lake(self) -> None:
        """Set the live bars: those of the session's newest state in the lake."""
        self.use_query(self._of_lake)

    def use_query(self, query: str, parameters: Mapping[str, Any] | None = None) -> int:
        """Set the live bars: the rows of a query now, with the columns of the view `live`; return their number.

        Raises:
            LakeError: the lake cannot be read.
        """
        try:
            self._con.execute("DELETE FROM temp.live")
            return int(self._con.execute(f"INSERT INTO temp.live {query}", parameters).fetchall()[0][0])
        except duckdb.Error as error:
            raise explain(error, self._uri) from None

    def evaluate(self, feed: FeedState, remembered: Container[tuple[str, str]] = ()) -> list[Alert]:
        """Return what the rules say about the live bars; a rule that fails is in `errors`, and the others run.

        Rows of a rule and symbol in `remembered` are left out.

        Raises:
            LakeError: the live bars cannot be read.
        """
        self._evaluations += 1
        if self._evaluations % MAX_EVALUATIONS == 0:
            self._make_tables(keep=True)
            self._prepare()
        self._fill(feed)
        return [
            alert for number, rule in enumerate(self.rules) for alert in self._alerts(number, rule, feed.at, remembered)
        ]

    def _make_tables(self, keep: bool = False) -> None:
        """Create the tables that are filled for each evaluation, with the live bars that there are, or empty.

        Raises:
            LakeError: the lake cannot be read.
        """
        rows = "FROM temp.live" if keep else f"{self._of_lake} LIMIT 0"
        try:
            self._con.execute(
                f"CREATE OR REPLACE TEMP TABLE live_rows AS {rows};"
                "DROP TABLE IF EXISTS temp.live; ALTER TABLE live_rows RENAME TO live;"
                "CREATE OR REPLACE TEMP TABLE indicators_live AS FROM live_indicators('live', 'carried') LIMIT 0;"
            )
        except duckdb.Error as error:
            raise explain(error, self._uri) from None

    def _prepare(self) -> None:
        """Plan the queries once: planning takes longer than running them. A change of the catalogue needs new plans.

        A plan must not depend on what the tables contain now: DuckDB would leave out a filter that no row passes.
        """
        self._con.execute(f"SET disabled_optimizers = {quoted(','.join(BY_CONTENT))}")
        self._con.execute(
            "PREPARE empty_indicators AS DELETE FROM temp.indicators_live;"
            "PREPARE fill_indicators AS INSERT INTO temp.indicators_live FROM live_indicators('live', 'carried');"
            "PREPARE empty_feed AS DELETE FROM live_feed;"
            f"PREPARE fill_feed AS INSERT INTO live_feed VALUES (DATE '{self.session}', $1, $2, $3, $4, $5, $6, $7)"
        )
        for number, rule in enumerate(self.rules):
            self._con.execute(f"PREPARE rule_{number} AS {rule.query}")

    def _fill(self, feed: FeedState) -> None:
        newest = "NULL" if feed.newest is None else f"make_timestamp({round(1e6 * feed.newest)})"
        try:
            for statement in ("empty_indicators", "fill_indicators", "empty_feed"):
                self._con.execute(f"EXECUTE {statement}")
            self._con.execute(
                f"EXECUTE fill_feed(make_timestamp({round(1e6 * feed.clock)}), {newest}, {feed.silent_seconds!r}, "
                f"{feed.symbols}, {feed.missed!r}, {feed.symbols_missed}, {feed.missed_seconds!r})"
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
        try:
            require_columns(columns)
        except ValueError as error:
            self.errors[rule.name] = rule.at_line(first_line(rule.query), str(error))
            return False
        if rule.reads & CARRIED and not is_carried:
            self.waiting[rule.name] = "it needs the table carried, which the next `stockstream run` publishes"
            return False
        return True

    def _alerts(self, number: int, rule: Rule, at: str, remembered: Container[tuple[str, str]]) -> list[Alert]:
        alerts, error = run_rule(self._con, rule, str(self.session), at, f"rule_{number}", remembered)
        if error is None:
            self.errors.pop(rule.name, None)
        else:
            self.errors[rule.name] = error
        return alerts
