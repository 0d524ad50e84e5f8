"""The Lambda function that fetches one batch. The same event again stores only what is new since."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from stockstream.pipeline.attempts import record_attempt
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import OutOfTime, RateLimited
from stockstream.pipeline.events import FetchBatchEvent, Result
from stockstream.pipeline.events.fields import in_order
from stockstream.pipeline.handlers.runtime import Invocation, lambda_handler
from stockstream.pipeline.sources import open_source, preload
from stockstream.pipeline.steps import fetch_batch

RESERVE = 0.1
"""Share of the function's time that is reserved for storing what has been fetched."""
RETRIED = {error.__name__: error for error in (RateLimited, OutOfTime)}
"""Errors after which the state machine invokes the function again for the rest of the batch."""

# While Lambda initialises an environment, a function has a whole processor: import the libraries then.
preload(settings().source)


@lambda_handler
def handler(event: Annotated[FetchBatchEvent, AfterValidator(in_order)], invocation: Invocation) -> Result:
    """Event: that of fetch_batch. Returns its result with the numbers of missing symbols and of values
    that are not used in place of their lists.

    Raises:
        RateLimited, OutOfTime: What was fetched is stored; the state machine retries the rest after a pause.
    """
    timeout = invocation.seconds_left()

    def stop_in_time(_: int) -> None:
        if invocation.seconds_left() < RESERVE * timeout:
            raise OutOfTime(f"less than {RESERVE:.0%} of the function's {timeout:.0f} s were left")

    source = open_source(invocation.settings.source, invocation.market, invocation.settings)
    result = fetch_batch.run(event, invocation.lake, source, invocation.market, invocation.now, stop_in_time)
    record_attempt(invocation.lake, event, result)
    if error := RETRIED.get(result["stopped"] or ""):
        raise error(f"{len(result['missing'])} of {result['symbols']} symbols are still missing")
    quarantined = sum(group["values"] for group in result["quarantined"])
    return {**result, "missing": len(result["missing"]), "quarantined": quarantined}
