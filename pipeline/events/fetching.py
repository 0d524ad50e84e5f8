"""What update_symbols and fetch_batch take and return."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field
from typing_extensions import TypedDict

from stockstream.pipeline.events.fields import (
    BatchNumber,
    BatchSize,
    Day,
    StepEvent,
    StrictEvent,
    Symbol,
    Symbols,
    in_order,
)

# update_symbols


class Batch(TypedDict):
    """Symbols that are fetched together."""

    symbols: list[str]
    batchNumber: int


class UpdateSymbolsEvent(StepEvent, total=False):
    """What update_symbols takes."""

    date: Day | None
    """The run's day; today on the exchange by default."""
    symbols: list[Symbol] | None
    """The symbols to use where there is no source of listings."""
    accept_smaller: bool
    """Accept a list although it is more than 10 % smaller than the last one."""


class RunOptions(StrictEvent, total=False):
    """The input of an execution: the options of `stockstream run` and `backfill`, all of them optional."""

    date: Day | None
    symbols: Symbols | None
    start: Day | None
    end: Day | None
    accept_smaller: Annotated[bool, Field(validation_alias=AliasChoices("accept_smaller", "acceptSmaller"))]
    batch_size: Annotated[BatchSize | None, Field(validation_alias=AliasChoices("batch_size", "batchSize"))]


class StartEvent(StepEvent, total=False):
    """What the Lambda function of update_symbols takes: the first state of an execution."""

    input: Annotated[RunOptions, AfterValidator(in_order)] | None


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
    listings: ListingsReport | None


# fetch_batch


class FetchBatchEvent(StepEvent, total=False):
    """What fetch_batch takes."""

    date: Day | None
    """The run's day; today on the exchange by default."""
    start: Day | None
    """First day of the history of a symbol without bars."""
    end: Day | None
    """With `start`: fetch that range for every symbol (backfill)."""
    batchNumber: BatchNumber | None  # noqa: N815
    """None: the file has no batch suffix."""
    symbols: Symbols | None
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
