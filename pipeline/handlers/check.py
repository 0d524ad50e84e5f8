"""Step 6 on Lambda."""

from __future__ import annotations

from stockstream.pipeline.handlers.runtime import Event, Invocation, Result, lambda_handler
from stockstream.pipeline.steps.check import check


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take and give what the step does."""
    return check(event, at.lake)
