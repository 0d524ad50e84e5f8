"""Step: averages, sums and extremes of each symbol's bars so far, from which the indicators of a live bar continue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from duckdb import DuckDBPyConnection

from stockstream.pipeline.buckets import WHOLE
from stockstream.pipeline.derived import DerivedTable, refresh
from stockstream.pipeline.events import ResampleResult, StepEvent
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.manifest import Table
from stockstream.sql.loader import load
from stockstream.sql.session import set_variable

STEP, BARS, WITH_WHOLE = "steps/carried", "steps/indicators", "steps/indicators_with_whole"
LOOKBACK = 520
"""Bars that are read per symbol, as in the SQL file."""
DAYS = timedelta(days=LOOKBACK * 365 // 240 + 10)
"""Days in which most symbols have as many bars."""
END = date(9999, 12, 31)


@dataclass(frozen=True)
class Carried(DerivedTable):
    """The table `carried`: one row per symbol, which is written again with each change of the bars."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The SQL files that are executed."""
        return (self.step, BARS, WITH_WHOLE)

    @property
    def sql(self) -> tuple[str, ...]:
        """The SQL files that decide the rows."""
        return (*super().sql, "schema/carried")

    def last_day(self, con: DuckDBPyConnection, bars: Table) -> date | None:
        """Return None: as the row of a symbol moves on with its bars, base remains empty."""
        return None

    def start(self, con: DuckDBPyConnection, since: date) -> None:
        """Set which bars are read: those of the last years before the newest one."""
        row = con.execute("SELECT max(date) FROM silver_bars").fetchone()
        read_before(con, (row[0] if row and row[0] else since) + timedelta(days=1))
        set_variable(con, "session", END)

    def compute(self, con: DuckDBPyConnection, since: date, restated: Sequence[str]) -> None:
        """Make the temp table `derived_rows` of the bucket's symbols."""
        compute_rows(con)


TABLE = Carried("carried", STEP)


def run(event: StepEvent, lake: Lake) -> ResampleResult:
    """Publish a generation whose table `carried` is computed from the newest consolidated bars.

    Raises:
        LakeError: the lake cannot be read or written, or the table cannot be computed.
    """
    published = refresh(lake, TABLE.name, [TABLE])
    return {"generation": published.generation, "tables": published.report}


def carried_before(con: DuckDBPyConnection, session: date) -> None:
    """Make the temp table `derived_rows`: the rows of all symbols as they were before a session.

    `con` is a session of the lake with all views, or with those that `TABLE.steps` need.

    Raises:
        duckdb.Error: the lake cannot be read.
    """
    WHOLE.select(con)
    read_before(con, session)
    set_variable(con, "session", session)
    compute_rows(con)


def read_before(con: DuckDBPyConnection, day: date) -> None:
    """Let the bars of the years before a day be read, and more of the symbols that have fewer than LOOKBACK there."""
    set_variable(con, "since", day - timedelta(days=1))
    set_variable(con, "cutoff", day - DAYS)
    set_variable(con, "lookback", LOOKBACK)
    set_variable(con, "restated", ())


def compute_rows(con: DuckDBPyConnection) -> None:
    """Make the temp table `derived_rows` of the symbols in the session's bucket."""
    con.execute(load(BARS).text)
    if con.execute("FROM whole LIMIT 1").fetchone() is not None:
        con.execute(load(WITH_WHOLE).text)
    con.execute(load(STEP).text)
