"""Step 4 on Lambda."""

from __future__ import annotations

from typing import cast

from stockstream.pipeline.events import ResampleEvent
from stockstream.pipeline.handlers.runtime import Event, Invocation, Result, lambda_handler
from stockstream.pipeline.steps.resample import run as resample


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take and give what the step does."""
    return dict(resample(cast(ResampleEvent, event), at.lake))
