"""The Lambda function at the beginning of a run: which symbols to fetch, in which batches."""

from __future__ import annotations

import datetime as dt

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.events import Event, RunPlan
from stockstream.pipeline.handlers.runtime import Invocation, lambda_handler
from stockstream.pipeline.listings import open_listings
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps import update_symbols


class ExecutionInput(BaseModel):
    """The input of an execution: the options of `stockstream run` and `backfill`, all of them optional."""

    model_config = ConfigDict(extra="forbid")

    date: dt.date | None = None
    symbols: list[str] | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    accept_smaller: bool = Field(False, validation_alias=AliasChoices("accept_smaller", "acceptSmaller"))
    batch_size: int | None = Field(None, validation_alias=AliasChoices("batch_size", "batchSize"))


@lambda_handler
def handler(event: Event, invocation: Invocation) -> RunPlan:
    """Event: `{"run", "now", "input"}`. Returns what all later steps work from: at most 100 KB for 5,000 symbols.

    Raises:
        UsageError: The input is wrong.
        ListingsRefused: There is neither a believable list of companies nor an earlier one.
    """
    try:
        options = ExecutionInput.model_validate(event.get("input") or {})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"the execution's input: {wrong}") from None
    market, settings = invocation.market, invocation.settings
    day = str(options.date or market.today(invocation.now))
    source = open_source(settings.source, market, settings)
    listings = None if options.symbols else source.listings() or open_listings(market, settings)
    update = update_symbols.run(
        {"date": day, "symbols": options.symbols, "accept_smaller": options.accept_smaller},
        invocation.lake,
        listings,
        market,
        options.batch_size or source.batch_size,
        invocation.now,
    )
    return {
        "run": event.get("run"),
        "now": invocation.now.isoformat(),
        "date": day,
        "start": str(options.start) if options.start else None,
        "end": str(options.end) if options.end else None,
        "symbolBatches": update["symbolBatches"],
        "listings": update["metadata"],
    }
