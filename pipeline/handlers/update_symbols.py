"""The Lambda function at the beginning of a run: which symbols to fetch, in which batches."""

from __future__ import annotations

from stockstream.pipeline.events import RunOptions, RunPlan, StartEvent
from stockstream.pipeline.handlers.runtime import Invocation, lambda_handler
from stockstream.pipeline.listings import open_listings
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps import update_symbols


@lambda_handler
def handler(event: StartEvent, invocation: Invocation) -> RunPlan:
    """Return what all later steps work from: at most 100 KB for 5,000 symbols.

    Raises:
        ListingsRefused: There is neither a believable list of companies nor an earlier one.
    """
    options = event.get("input") or RunOptions()
    market, settings = invocation.market, invocation.settings
    day = str(options.get("date") or market.today(invocation.now))
    source = open_source(settings.source, market, settings)
    listings = None if options.get("symbols") else source.listings() or open_listings(market, settings)
    update = update_symbols.run(
        {"date": day, "symbols": options.get("symbols"), "accept_smaller": options.get("accept_smaller", False)},
        invocation.lake,
        listings,
        market,
        options.get("batch_size") or source.batch_size,
        invocation.now,
    )
    return {
        "run": event.get("run"),
        "now": invocation.now.isoformat(),
        "date": day,
        "start": options.get("start"),
        "end": options.get("end"),
        "symbolBatches": update["symbolBatches"],
        "listings": update["metadata"],
    }
