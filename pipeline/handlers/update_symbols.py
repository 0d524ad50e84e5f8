"""Step 1 on Lambda, the beginning of a run: which symbols are fetched, in which batches, and what for."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict, ValidationError

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.handlers.runtime import Event, Invocation, Result, lambda_handler
from stockstream.pipeline.listings import open_listings
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps.update_symbols import update_symbols


class Asked(BaseModel):
    """What an execution may be started with, all of it optional: as the options of `stockstream run` and `backfill`."""

    model_config = ConfigDict(extra="forbid")

    date: dt.date | None = None
    symbols: list[str] | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    acceptSmaller: bool = False  # noqa: N815
    batchSize: int | None = None  # noqa: N815


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take `{"run", "now", "asked"}`; give what all later steps are told, at most 100 KB for 5,000 symbols."""
    try:
        asked = Asked.model_validate(event.get("asked") or {})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(f"the execution's input: {wrong}") from None
    day = str(asked.date or at.market.today(at.now))
    source = open_source(at.settings.source, at.market, at.settings)
    directory = None if asked.symbols else source.listings() or open_listings(at.market, at.settings)
    told = {"date": day, "symbols": asked.symbols, "acceptSmaller": asked.acceptSmaller}
    update = update_symbols(told, at.lake, directory, at.market, asked.batchSize or source.batch_size, at.now)
    return {
        "run": event.get("run"),
        "now": at.now.isoformat(),
        "date": day,
        "start": str(asked.start) if asked.start else None,
        "end": str(asked.end) if asked.end else None,
        "symbolBatches": update["symbolBatches"],
        "intervals": at.settings.resample,
        "directory": update["metadata"],
    }
