"""Before silver on Lambda."""

from __future__ import annotations

from stockstream.pipeline.handlers.runtime import Event, Invocation, Result, lambda_handler
from stockstream.pipeline.steps.fetch_metadata import run as fetch_metadata


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take and give what the step does."""
    return dict(fetch_metadata({}, at.lake, None, at.market))
