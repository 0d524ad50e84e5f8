"""Step 7 on Lambda, the end of every run, also of one that failed: the summary, and what the alarms look at."""

from __future__ import annotations

from aws_lambda_powertools.metrics import MetricUnit

from pipeline.handlers.runtime import Event, Invocation, Result, lambda_handler, metrics
from pipeline.steps.summarise import summarise


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take all that the state machine has come to; a run whose first step failed has no day yet."""
    told = {**event, "date": event.get("date") or str(at.market.today(at.now))}
    summary = summarise(told, at.lake, at.market, at.settings.source, at.settings.environment)
    metrics.add_metric("Symbols", MetricUnit.Count, summary["symbols"])
    metrics.add_metric("MissingSymbols", MetricUnit.Count, summary["missing"])
    metrics.add_metric("Rows", MetricUnit.Count, summary["rows"])
    return summary
