"""Step 3 on Lambda."""

from __future__ import annotations

from stockstream.pipeline.handlers.runtime import Event, Invocation, Result, lambda_handler
from stockstream.pipeline.steps.consolidate import consolidate


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take and give what the step does."""
    return consolidate(event, at.lake)
