"""Step 5 on Lambda."""

from __future__ import annotations

from typing import cast

from stockstream.pipeline.events import RefreshIndicatorsEvent
from stockstream.pipeline.handlers.runtime import Event, Invocation, Result, lambda_handler
from stockstream.pipeline.steps.refresh_indicators import run as refresh_indicators


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take and give what the step does."""
    return dict(refresh_indicators(cast(RefreshIndicatorsEvent, event), at.lake))
