"""Step 3 on Lambda."""

from __future__ import annotations

from typing import cast

from stockstream.pipeline.events import ConsolidateEvent
from stockstream.pipeline.handlers.runtime import Event, Invocation, Result, lambda_handler
from stockstream.pipeline.steps.consolidate import run as consolidate


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take and give what the step does."""
    return dict(consolidate(cast(ConsolidateEvent, event), at.lake))
