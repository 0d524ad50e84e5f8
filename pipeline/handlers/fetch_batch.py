"""Step 2 on Lambda, once per batch. The same event again, for the same day and batch, stores only what is still new."""

from __future__ import annotations

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import OutOfTime, RateLimited
from stockstream.pipeline.handlers.runtime import Event, Invocation, Result, lambda_handler
from stockstream.pipeline.sources import open_source, preload
from stockstream.pipeline.steps.fetch_batch import fetch_batch
from stockstream.pipeline.steps.summarise import record_batch

RESERVE = 0.1
"""Share of the function's time that is kept for storing what has been fetched."""
WORTH_ANOTHER_TRY = {error.__name__: error for error in (RateLimited, OutOfTime)}

# While Lambda starts the environment it gives it a whole processor: the time for the libraries is not the batch's then.
preload(settings().source)


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take fetch_batch's event and `run`; give numbers, as the symbols of all batches are too much to hand on.

    Raises:
        RateLimited, OutOfTime: what was had is stored; the state machine asks for the rest after a pause.
    """

    whole = at.seconds_left()

    def in_time(_: int) -> None:
        if at.seconds_left() < RESERVE * whole:
            raise OutOfTime(f"less than {RESERVE:.0%} of the function's {whole:.0f} s were left")

    source = open_source(at.settings.source, at.market, at.settings)
    result = fetch_batch(event, at.lake, source, at.market, at.now, in_time)
    record_batch(at.lake, event, result)
    if error := WORTH_ANOTHER_TRY.get(result["stopped"]):
        raise error(f"{len(result['missing'])} of {result['symbols']} symbols are still missing")
    return {**result, "missing": len(result["missing"])}
