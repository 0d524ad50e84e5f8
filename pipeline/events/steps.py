"""The list of the steps of a run, and what those after the fetch take and return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired

from typing_extensions import TypedDict

from stockstream.pipeline.events.fields import Count, Day, StepEvent

Event = Mapping[str, Any]
"""The event of any step."""
Result = Mapping[str, Any]
"""The result of any step."""


# The list of steps


@dataclass(frozen=True)
class Step:
    """One step of a run."""

    name: str
    """The module in the package, function in `terraform/packages.json` and variable in `workflow.asl.json`."""
    state: str
    """The state of the state machine: the task, or the map around it."""
    result: str
    """The key of its result in the state and in the summary, and of its error under `failure`."""
    title: str
    refreshes: bool = False
    """Whether it brings silver up to date, checks it or reports it: these steps run in turn, after the fetch."""
    package: str = "pipeline.steps"
    """The package of the module: a text, as the pipeline imports nothing of analytics."""
    may_fail: bool = False
    """Whether the steps after it run although it has failed as a whole."""


STEPS = (
    Step("update_symbols", "UpdateSymbols", "symbols", "Store the list of companies and cut it into batches"),
    Step("fetch_batch", "FetchBatches", "batches", "Fetch the bars of a batch of symbols"),
    Step("refresh", "Refresh", "refresh", "Compute the silver tables and publish one generation", refreshes=True),
    Step("check", "Check", "check", "Run the data checks on the published data", refreshes=True),
    Step(
        "step_accounts",
        "StepAccounts",
        "paper",
        "Let the paper accounts process the published session",
        refreshes=True,
        package="analytics.paper",
        may_fail=True,
    ),
    Step("send_alerts", "SendAlerts", "alerts", "Send the signals of the day over the channels", refreshes=True),
    Step(
        "publish_serving",
        "PublishServing",
        "serving",
        "Store the serving file of the newest generation",
        refreshes=True,
    ),
    Step("summarise", "Summarise", "summary", "Store the summary of the run and report what is missing"),
)
"""In the order in which a run executes them, in one process and on AWS."""
REFRESHES = tuple(step for step in STEPS if step.refreshes)


@dataclass(frozen=True)
class Part:
    """A part of the step `refresh`, which computes silver tables; on its own it is a command."""

    name: str
    """The module in `pipeline/steps`."""
    result: str
    """The key of its result, among the results of refresh and in the summary."""
    title: str


PARTS = (
    Part("fetch_metadata", "metadata", "Derive who was listed when from the lists of companies"),
    Part("consolidate", "consolidate", "Merge the batch files into the silver bars"),
    Part("resample", "resample", "Resample the silver bars to longer intervals"),
    Part("refresh_indicators", "indicators", "Refresh the stored indicators"),
)
"""In their order. The derived tables of other modules (`derived.step_modules`) follow."""


# Steps that publish silver


class TableReport(TypedDict):
    """A silver table that a step has written."""

    rows: int
    """In the files that were written."""
    bytes: int
    whole: bool
    """Whether everything was computed again, and not only what the newest bars affect."""
    rebuilt: NotRequired[str]
    """Which of its files was gone or damaged, if that is why everything was computed again."""


# refresh


class RefreshEvent(StepEvent, total=False):
    """What to refresh."""

    only: list[str] | None
    """The parts, by the keys of their results: ["consolidate"]; all by default."""


class RefreshResult(TypedDict):
    """What was computed and published."""

    generation: int | None
    """None: everything was up to date, or nothing could be computed."""
    parts: dict[str, Any]
    """The result of each part that succeeded, by its key; its `generation` is None if it has changed nothing."""
    failed: dict[str, str]
    """The parts and tables that could not be computed and stay as they were, with the reason."""
    stale: list[str]
    """The tables of the published generation that are older than the data from which they are computed."""


# consolidate


class ConsolidateEvent(StepEvent, total=False):
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
    replaced: list[str]
    """Batch files that had changed since they were consolidated when all rows were written again, each with a change.

    Their rows replace what silver took from them, and one of the two is wrong.
    """


# resample


class ResampleEvent(StepEvent, total=False):
    """What to resample."""

    intervals: list[str] | None
    """Such as ["3d", "weekly"]; those of STOCKSTREAM_RESAMPLE by default."""
    full: bool
    """Compute all days again."""


class ResampleResult(TypedDict):
    """The tables that were resampled."""

    generation: int | None
    """None: all tables were up to date."""
    tables: dict[str, TableReport]
    """Those that were written, by name: bars_3d."""
    failed: NotRequired[dict[str, str]]
    """Those that could not be computed and stay as they were, with the reason."""


# refresh_indicators


class RefreshIndicatorsEvent(StepEvent, total=False):
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
    rebuilt: NotRequired[str]
    failed: NotRequired[dict[str, str]]
    """The table and the reason, if it could not be computed and stays as it was."""


# derived tables (pipeline/derived.py)


class DeriveEvent(StepEvent, total=False):
    """What to compute of a derived table."""

    full: bool
    """Compute the whole table again."""


class DeriveResult(TypedDict):
    """A derived table that was brought up to date."""

    generation: int | None
    """None: the table was up to date."""
    tables: dict[str, TableReport]
    """The table by its name, if it was written."""
    failed: NotRequired[dict[str, str]]
    """The table and the reason, if it could not be computed and stays as it was."""


# fetch_metadata


class FetchMetadataEvent(StepEvent, total=False):
    """Which lists of companies to fetch and merge."""

    date: Day | None
    """Today on the exchange by default. For a past day only the tickers of that day are requested."""
    codes: Count
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
    rebuilt: NotRequired[str]
    """Which file of the table was gone or damaged, so that all lists were merged from the beginning."""
    polygon: PolygonReport | None
    """None without a provider."""


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


# step_accounts


class StepAccountsEvent(StepEvent, total=False):
    """Which paper accounts to step."""

    names: list[str]
    """All by default."""


class StepAccountsResult(TypedDict):
    """What became of the paper accounts of the lake."""

    accounts: dict[str, dict[str, Any]]
    """Per account that is not stopped: `sessions` (new ones), `session` (the last), `equity`, `orders` (for the next
    session, in words), `is_equal` (whether it is the backtest of the same days now; None: not compared)."""
    failed: dict[str, str]
    """The accounts that could not go on, each with the reason."""
    orders: int
    """New alerts about orders; `send_alerts` sends them."""


# send_alerts


class SendAlertsEvent(StepEvent, total=False):
    """Which rules to run."""

    sql_path: list[str]
    """Files and folders of further rules; none by default."""


class SendAlertsResult(TypedDict):
    """What was sent."""

    session: str | None
    """YYYY-MM-DD, that of the newest bar; None: no channel is configured, or no bar is recent."""
    alerts: int
    """New ones; those of an earlier run that had not been delivered are sent as well."""
    channels: dict[str, dict[str, Any]]
    """Per channel the numbers of `alerts.notifier.ChannelReport`."""
    failed: dict[str, str]
    """Channels that have not delivered everything, and wrong rules, each with the reason."""
    notes: list[str]
    """Channels that rules name and that are not configured."""


# publish_serving


class PublishServingEvent(StepEvent, total=False):
    """Whether to store the serving file."""

    enabled: bool
    """STOCKSTREAM_SERVING_FILE by default."""


class PublishServingResult(TypedDict):
    """The serving file in the lake."""

    generation: int | None
    """That whose file was stored; None: it is off, there is no generation, or its file is there already."""
    key: str | None
    bytes: int
    deleted: int
    """Files of earlier generations that were deleted."""
