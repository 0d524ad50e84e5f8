"""Events and results of the steps: JSON objects, the same in one process, on Lambda and in the output of `--json`."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class TableReport(TypedDict):
    """A silver table that a step has written."""

    rows: int
    """In the files that were written."""
    bytes: int
    whole: bool
    """Whether everything was computed again, and not only what the newest bars affect."""


# consolidate


class ConsolidateEvent(TypedDict, total=False):
    """What to consolidate."""

    full: bool
    """Write all of the silver bars again, from the silver bars and all batch files that still exist."""


class ConsolidateResult(TypedDict):
    """What a consolidation did."""

    generation: int | None
    """None: no batch file was new."""
    inputs: int
    """Batch files that were merged."""
    rows: int
    """In the files that were written."""
    bytes: int
    compacted: bool
    """Whether base was written, too."""
    restated: int
    """Symbols whose whole history is in delta."""


# resample


class ResampleEvent(TypedDict, total=False):
    """What to resample."""

    intervals: list[str] | None
    """Such as ["3d", "weekly"]; those of STOCKSTREAM_RESAMPLE by default."""


class ResampleResult(TypedDict):
    """The tables that were resampled."""

    generation: int | None
    """None: all tables were up to date."""
    tables: dict[str, TableReport]
    """Those that were written, by name: bars_3d."""


# refresh_indicators


class RefreshIndicatorsEvent(TypedDict, total=False):
    """Which indicators to compute."""

    full: bool
    """Compute all days again."""


class RefreshIndicatorsResult(TypedDict):
    """The figures of a `TableReport`, unless the table was up to date."""

    generation: int | None
    """None: the table was up to date."""
    rows: NotRequired[int]
    bytes: NotRequired[int]
    whole: NotRequired[bool]


# derived tables (pipeline/derived.py)


class DeriveEvent(TypedDict, total=False):
    """What to compute of a derived table."""

    full: bool
    """Compute the whole table again."""


class DeriveResult(TypedDict):
    """A derived table that was brought up to date."""

    generation: int | None
    """None: the table was up to date."""
    tables: dict[str, TableReport]
    """The table by its name, if it was written."""


# fetch_metadata


class FetchMetadataEvent(TypedDict, total=False):
    """Which lists of companies to fetch and merge."""

    date: str | None
    """YYYY-MM-DD; today on the exchange by default. For a past day only the tickers of that day are requested."""
    codes: int
    """Requests for the former and later codes of companies; 20 by default."""
    accept_smaller: bool
    """Accept a list that has lost more than 10 % of its tickers."""
    full: bool
    """Merge everything again from the beginning."""


class PolygonReport(TypedDict):
    """What was requested from Polygon."""

    tickers: int | None
    """Rows; None: the day's list is in the lake already."""
    delisted: int | None
    """Rows; None: the day's list is in the lake already."""
    codes: int
    """Symbols whose codes were requested."""
    refused: str | None
    """Why no more codes could be requested."""


class FetchMetadataResult(TypedDict):
    """What has been merged into the table metadata."""

    generation: int | None
    """None: no list was new."""
    lists: int
    """Days whose lists were merged."""
    rows: int
    """Periods in the table."""
    listed: int
    """Symbols in the newest list."""
    code_changes: int
    polygon: PolygonReport | None
    """None without a provider."""


# vacuum

RawMode = Literal["keep", "archive", "remove"]


class VacuumEvent(TypedDict, total=False):
    """What to delete. All ages are measured by the store's clock."""

    delete: bool
    """False by default: only report what would be deleted."""
    retention_hours: float
    """How long a generation is kept after it was replaced: 168 by default, at least 1."""
    raw: RawMode
    """Old batch files: `keep` by default; `archive` moves their rows to silver/raw, where the view raw_bars reads them;
    `remove` deletes them."""
    raw_older_than_days: float
    """30 by default."""


class RawReport(TypedDict):
    """The batch files that were, or would be, archived or removed."""

    mode: RawMode
    files: int
    bytes: int


class VacuumResult(TypedDict):
    """What a vacuum has deleted, or would delete."""

    dry_run: bool
    files: int
    """Silver files of the generations that are deleted."""
    bytes: int
    """Of these files and the orphans."""
    manifests: list[int]
    """Generations that are deleted."""
    orphans: int
    """Files that no generation names."""
    raw: RawReport
    kept: list[int]
    """Generations that stay."""
    generation: int | None
    """None: no generation had to be published."""


# rollback


class RollbackEvent(TypedDict):
    """Where to go back to."""

    generation: int


class RollbackResult(TypedDict):
    """What a rollback did."""

    generation: int | None
    """None: the lake has these tables already."""
    restores: int
    """The generation whose tables the new one has."""
    set_aside: list[str]
    """Batch files that are set aside now."""
    taken_back: list[str]
    """Batch files that were set aside, and no longer are."""
