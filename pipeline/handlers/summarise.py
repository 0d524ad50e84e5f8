"""Step 7 on Lambda, the end of every run, also of one that failed: the summary, and what the alarms look at."""

from __future__ import annotations

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from stockstream.pipeline.handlers.runtime import SERVICE, Event, Invocation, Result, lambda_handler
from stockstream.pipeline.steps.summarise import summarise

metrics = Metrics(namespace="StockStream", service=SERVICE)


@lambda_handler
def handler(event: Event, at: Invocation) -> Result:
    """Take `{"run", "now", "state"}`, all that the state machine has come to; give what it tells a person."""
    # A run whose first step failed has its input as its state, and no day yet.
    told = {"date": str(at.market.today(at.now)), **event["state"], "run": event["run"]}
    summary = summarise(told, at.lake, at.market, at.settings.source, at.settings.environment)
    metrics.add_dimension("environment", at.settings.environment)
    metrics.add_dimension("market", at.market.name)
    metrics.add_metric("Symbols", MetricUnit.Count, summary["symbols"])
    metrics.add_metric("MissingSymbols", MetricUnit.Count, summary["missing"])
    metrics.add_metric("Rows", MetricUnit.Count, summary["rows"])
    metrics.flush_metrics()
    return summary
