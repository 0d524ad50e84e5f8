"""The contract of the pipeline's steps: their order, the events that they take and the results that they return.

Events and results are JSON. Keys are snake_case, except `symbolBatches` and `batchNumber`, the published names of the
Lambda functions. Dates are YYYY-MM-DD.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from stockstream.pipeline.markets import Market

Event = Mapping[str, Any]
"""The event of any step."""
Result = Mapping[str, Any]
"""The result of any step."""


# The list of steps


@dataclass(frozen=True)
class Step:
    """One step of a run."""

    name: str
    """The module in `pipeline/steps`, function in `terraform/packages.json` and variable in `workflow.asl.json`."""
    state: str
    """The state of the state machine: the task, or the map around it."""
    result: str
    """The key of its result in the state and in the summary, and of its error under `failure`."""
    title: str
    refreshes: bool = False
    """Whether it brings silver up to date or checks it: these steps run one after the other, after the fetch."""
    arguments: Callable[[Market], tuple[Any, ...]] = lambda market: ()
    """What its `run` takes after the event and the lake; only for steps that refresh."""


STEPS = (
    Step("update_symbols", "UpdateSymbols", "symbols", "Store the list of companies and cut it into batches"),
    Step("fetch_batch", "FetchBatches", "batches", "Fetch the bars of a batch of symbols"),
    Step(
        "fetch_metadata",
        "FetchMetadata",
        "metadata",
        "Derive who was listed when from the lists of companies",
        refreshes=True,
        arguments=lambda market: (None, market),
    ),
    Step("consolidate", "Consolidate", "consolidate", "Merge the batch files into the silver bars", refreshes=True),
    Step("resample", "ResampleIntervals", "resample", "Resample the silver bars to longer intervals", refreshes=True),
    Step("refresh_indicators", "RefreshIndicators", "indicators", "Refresh the stored indicators", refreshes=True),
    Step("check", "Check", "check", "Run the data checks on the published data", refreshes=True),
    Step("summarise", "Summarise", "summary", "Store the summary of the run and report what is missing"),
)
"""In the order in which a run executes them, in one process and on AWS."""
REFRESHES = tuple(step for step in STEPS if step.refreshes)


# update_symbols


class Batch(TypedDict):
    """Symbols that are fetched together."""

    symbols: list[str]
    batchNumber: int


class UpdateSymbolsEvent(TypedDict, total=False):
    """What update_symbols takes."""

    date: str | None
    """The run's day; today on the exchange by default."""
    symbols: list[str] | None
    """The symbols to use where there is no source of listings."""
    accept_smaller: bool
    """Accept a list although it is more than 10 % smaller than the last one."""


class ListingsReport(TypedDict):
    """How the list of companies was updated."""

    date: str
    source: str
    list_of: str
    """The day of the list in use: an earlier one where the new list was refused."""
    count: int
    added: list[str]
    removed: list[str]
    refused: str | None
    """Why the new list was refused."""


class SymbolsUpdate(TypedDict):
    """What update_symbols returns."""

    symbols: list[str]
    symbolBatches: list[Batch]
    metadata: ListingsReport | None


class RunPlan(TypedDict):
    """What the Lambda function of update_symbols returns: the first state of an execution."""

    run: str | None
    now: str
    """The run's clock, with a time zone."""
    date: str
    start: str | None
    end: str | None
    symbolBatches: list[Batch]
    intervals: list[str]
    listings: ListingsReport | None


# fetch_batch


class FetchBatchEvent(TypedDict, total=False):
    """What fetch_batch takes."""

    run: str | None
    """The execution's name; the Lambda function keeps a record of each attempt under it."""
    now: str
    date: str | None
    """The run's day; today on the exchange by default."""
    start: str | None
    """First day of the history of a symbol without bars."""
    end: str | None
    """With `start`: fetch that range for every symbol (backfill)."""
    batchNumber: int | None
    """None: the file has no batch suffix."""
    symbols: list[str] | None
    """The lake's newest list by default."""


class MissingSymbol(TypedDict):
    """A symbol whose bars could not be fetched."""

    symbol: str
    reason: str


class QuarantinedValues(TypedDict):
    """Values of one column that are in quarantine for one reason."""

    column_name: str | None
    """None: rows as a whole."""
    reason: str
    values: int
    is_loss: bool
    """Whether something that was there is not stored: text that cannot be read, or a row that is held back. False for
    a value that means "none", such as an open of 0."""
    first: str
    """Symbol, date, text and place of the first of them."""


class BatchResult(TypedDict):
    """What fetch_batch returns; the Lambda function returns only the numbers of missing symbols and of
    values that are not used."""

    batchNumber: int | None
    date: str | None
    key: str | None
    """The file that was stored; None if there was nothing new."""
    rows: int
    first_date: str | None
    last_date: str | None
    symbols: int
    up_to_date: int
    """Symbols that had the last session already."""
    open_session: int
    """Bars of a session that is still open, which are not stored."""
    missing: list[MissingSymbol]
    quarantined: list[QuarantinedValues]
    """Of all values that the source sent, also those that are in the lake's quarantine already."""
    stopped: str | None
    """The name of the error that ended the batch early."""


# Steps that publish silver


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
    """Write all of the silver bars again, from the batch files and their archive; silver adds what these have not."""


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
    """Whether all rows were written again."""
    sealed: bool
    """Whether rows of delta became a new file of base, a tier."""
    restated: int
    """Symbols whose whole history is in delta."""
    damaged: list[str]
    """Files that were left out when all rows were written again, each with the reason."""


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
    reused: int
    """Symbols that another company has taken over: the view reused_symbols."""
    unlinked: int
    """Symbols that appeared when others disappeared, without evidence of a code change: the view unlinked_symbols."""
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
    """Where to go back to. Without `drop_tables`, a generation that lacks a table which the lake has is refused."""

    generation: int
    drop_tables: NotRequired[bool]


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


# check


class CheckReport(TypedDict):
    """A check that found bad rows, or that could not be run."""

    check: str
    bad_rows: int
    first: str
    """The first bad row, or why the check could not be run."""


class CheckResult(TypedDict):
    """What check returns: how many checks ran, and those with findings."""

    checks: int
    failed: list[CheckReport]
    warned: list[CheckReport]


# summarise


class SummariseEvent(TypedDict, total=False):
    """The state of an execution at its end; beside these keys, the results of the steps that succeeded."""

    run: str
    date: str
    symbolBatches: list[Batch]
    listings: ListingsReport | None
    batches: list[Mapping[str, Any]]
    """Per batch what the Lambda function returned, or `{"batchNumber", "Error", "Cause"}`."""
    failure: Mapping[str, Mapping[str, str]]
    """Errors of steps as `{"Error", "Cause"}`, by the key of the step's result."""


Status = Literal["complete", "partial", "failed"]


class Summary(TypedDict):
    """What a run did; beside these keys, the results of the steps after the fetch under their keys."""

    status: Status
    """complete; partial: some symbols are missing, or values that were there are not stored; failed: no symbol could be
    fetched, or a step or a check failed."""
    lake: str
    market: str
    source: str
    date: str
    listings: ListingsReport | None
    symbols: int
    up_to_date: int
    batches: int
    files: list[str]
    rows: int
    first_date: str | None
    last_date: str | None
    open_session: int
    missing: list[MissingSymbol]
    quarantined: list[QuarantinedValues]
    notes: list[str]
    """What the source reports about its answers: columns and files that are not used."""
    refused: str | None
    """Which steps and checks failed, and why."""


class SummariseResult(TypedDict):
    """What summarise returns."""

    status: Status
    key: str
    """The summary in the lake."""
    symbols: int
    rows: int
    missing: int
    subject: str
    message: str
