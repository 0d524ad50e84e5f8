"""Step 5 on Lambda."""

from __future__ import annotations

from stockstream.pipeline.handlers.runtime import Event, Invocation, Result, lambda_handler
from stockstream.pipeline.steps.refresh_indicators import refresh_indicators


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take and give what the step does."""
    return refresh_indicators(event, at.lake)
