"""Step: bars of several sessions, a week or a month, from the consolidated bars; one table per interval."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from duckdb import DuckDBPyConnection

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.derived import DerivedTable, changed, refresh
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.events import ResampleEvent, ResampleResult
from stockstream.pipeline.intervals import every
from stockstream.pipeline.lake import SESSIONS, Lake
from stockstream.pipeline.manifest import Change, Manifest, Table
from stockstream.sql.loader import load
from stockstream.sql.session import set_variable

LAST_BUCKET = "steps/last_bucket"


@dataclass(frozen=True)
class ResampledBars(DerivedTable):
    """The bars of an interval."""

    every: str
    """The interval as `resample()` in SQL takes it."""

    ends_on = "ends_on"

    @property
    def steps(self) -> tuple[str, ...]:
        """The SQL files that are executed."""
        return (self.step, LAST_BUCKET)

    def last_day(self, con: DuckDBPyConnection, bars: Table) -> date | None:
        """Return the last day of the newest bucket in base: its bars change only when their symbol is restated."""
        if bars.through is None or bars.stable_through is None:
            return None
        set_variable(con, "every", self.every)
        set_variable(con, "through", bars.through)
        set_variable(con, "stable_through", bars.stable_through)
        row = con.execute(load(LAST_BUCKET).text).fetchone()
        return row[0] if row else None

    def compute(self, con: DuckDBPyConnection, since: date, restated: Sequence[str]) -> None:
        """Make the temp table `derived_rows`."""
        set_variable(con, "every", self.every)
        super().compute(con, since, restated)


def run(event: ResampleEvent, lake: Lake) -> ResampleResult:
    """Publish a generation whose resampled bars are computed from the newest consolidated bars.

    Raises:
        UsageError: a name is not an interval.
        LakeError: the lake cannot be read or written, or has no calendar, or a table cannot be computed.
    """
    published = refresh(lake, "resample", _tables(event), inputs=_inputs(lake))
    return {"generation": published.generation, "tables": published.report}


def change(event: ResampleEvent, lake: Lake, before: Manifest) -> tuple[Change | None, ResampleResult]:
    """Resample the bars of `before`, upload the tables, and return the change that names them; see `derived.changed`.

    Raises:
        UsageError, LakeError: as in `run`.
    """
    change_of_tables, derived = changed(lake, before, _tables(event), inputs=_inputs(lake))
    return change_of_tables, {"generation": None, "tables": derived.tables, "failed": derived.failed}


def _tables(event: ResampleEvent) -> list[ResampledBars]:
    names = event.get("intervals") or settings().resample
    return [ResampledBars(f"bars_{name}", "steps/resample", every(name)) for name in names]


def _inputs(lake: Lake) -> dict[str, str]:
    """Return the checksum of the calendar."""
    calendar = lake.store.get(SESSIONS)
    if calendar is None:
        raise LakeError(f"{lake.uri} has no trading calendar, which `stockstream run` stores: run that first")
    return {"calendar": hashlib.sha256(calendar.data).hexdigest()}
