"""What summarise takes and returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from stockstream.pipeline.events.fetching import Batch, ListingsReport, MissingSymbol, QuarantinedValues
from stockstream.pipeline.events.fields import Day, Moment, RunName, StrictEvent


class SummariseCall(StrictEvent):
    """What the Lambda function of summarise takes."""

    run: RunName
    now: NotRequired[Moment]
    state: dict[str, Any]
    """That of the execution: a `SummariseEvent`, or the execution's input and `failure` if the first step failed."""


class SummariseEvent(TypedDict, total=False):
    """The state of an execution at its end; beside these keys, the results of the steps that succeeded."""

    run: RunName
    now: Moment
    """The run's clock; the present by default."""
    date: Day
    symbolBatches: list[Batch]
    listings: ListingsReport | None
    batches: list[Mapping[str, Any]]
    """Per batch what the Lambda function returned, or `{"batchNumber", "Error", "Cause"}`."""
    failure: Mapping[str, Mapping[str, str]]
    """Errors of steps as `{"Error", "Cause"}`, by the key of the step's result."""


Status = Literal["complete", "partial", "failed"]


class Summary(TypedDict):
    """What a run did; beside these keys, the results of the parts of refresh and of later steps under their keys."""

    status: Status
    """complete; partial: some symbols are missing, values that were there are not stored, damaged files were left out,
    alerts were not sent, or paper accounts not stepped; failed: no symbol could be fetched, or a step or a check
    failed."""
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
    generation: int | None
    """The generation that the run has published; None: nothing was new, or it could not be published."""
    stale: list[str]
    """The silver tables that are older than the data from which they are computed."""
    refused: str | None
    """Which steps, tables and checks failed, and why."""
    not_sent: str | None
    """Which alerts could not be sent, and why; everything is published nevertheless."""
    not_stepped: str | None
    """Which paper accounts could not go on, and why; everything is published, and the others have gone on."""


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
