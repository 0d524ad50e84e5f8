"""Step: bars of several sessions, a week or a month, from the consolidated bars; one table per interval."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from duckdb import DuckDBPyConnection

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.derived import DerivedTable, refresh
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.events import ResampleEvent, ResampleResult
from stockstream.pipeline.intervals import every
from stockstream.pipeline.lake import SESSIONS, Lake
from stockstream.pipeline.manifest import Table
from stockstream.sql.loader import load
from stockstream.sql.session import set_variable

LAST_BUCKET, NEWEST_DAY, BARS = "steps/last_bucket", "steps/newest_day", "steps/bars_to_resample"


@dataclass(frozen=True)
class ResampledBars(DerivedTable):
    """The bars of an interval."""

    every: str
    """The interval as `resample()` in SQL takes it."""

    ends_on = "ends_on"

    @property
    def steps(self) -> tuple[str, ...]:
        """The SQL files that are executed."""
        return (self.step, LAST_BUCKET, NEWEST_DAY, BARS)

    def last_day(self, con: DuckDBPyConnection, bars: Table) -> date | None:
        """Return the last day of the newest bucket in base: its bars change only when their symbol is restated."""
        if bars.through is None or bars.stable_through is None:
            return None
        set_variable(con, "every", self.every)
        set_variable(con, "through", bars.through)
        set_variable(con, "stable_through", bars.stable_through)
        row = con.execute(load(LAST_BUCKET).text).fetchone()
        return row[0] if row else None

    def start(self, con: DuckDBPyConnection, since: date) -> None:
        """Set the variable `newest_day`, which decides whether a bucket is open."""
        set_variable(con, "since", since)
        con.execute(load(NEWEST_DAY).text)

    def prepare(self, con: DuckDBPyConnection, since: date, restated: Sequence[str]) -> None:
        """Make the temp table `bars_to_resample` for all intervals."""
        set_variable(con, "since", since)
        set_variable(con, "restated", restated)
        con.execute(load(BARS).text)

    def compute(self, con: DuckDBPyConnection, since: date, restated: Sequence[str]) -> None:
        """Make the temp table `derived_rows`."""
        set_variable(con, "every", self.every)
        super().compute(con, since, restated)


def run(event: ResampleEvent, lake: Lake) -> ResampleResult:
    """Publish a generation whose resampled bars are computed from the newest consolidated bars.

    Raises:
        UsageError: a name is not an interval.
        LakeError: the lake cannot be read or written, or has no calendar.
    """
    names = event.get("intervals") or settings().resample
    tables = [ResampledBars(f"bars_{name}", "steps/resample", every(name)) for name in names]
    calendar = lake.store.get(SESSIONS)
    if calendar is None:
        raise LakeError(f"{lake.uri} has no trading calendar, which `stockstream run` stores: run that first")
    published = refresh(lake, "resample", tables, inputs={"calendar": hashlib.sha256(calendar.data).hexdigest()})
    return {"generation": published.generation, "tables": published.report}
