"""The Lambda function at the end of every run, also of a failed one: the summary, and the metrics for the alarms."""

from __future__ import annotations

from typing import cast

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from stockstream.pipeline.events import Event, SummariseEvent, SummariseResult
from stockstream.pipeline.handlers.runtime import SERVICE, Invocation, lambda_handler
from stockstream.pipeline.steps import summarise

metrics = Metrics(namespace="StockStream", service=SERVICE)


@lambda_handler
def handler(event: Event, invocation: Invocation) -> SummariseResult:
    """Event: `{"run", "now", "state"}`, the state of the execution. Returns the result of summarise."""
    # The state of a run whose first step failed is the execution's input, which may have no date.
    today = str(invocation.market.today(invocation.now))
    state = cast(SummariseEvent, {"date": today, **event["state"], "run": event["run"]})
    settings = invocation.settings
    summary = summarise.run(state, invocation.lake, invocation.market, settings.source, settings.environment)
    metrics.add_dimension("environment", settings.environment)
    metrics.add_dimension("market", invocation.market.name)
    metrics.add_metric("Symbols", MetricUnit.Count, summary["symbols"])
    metrics.add_metric("MissingSymbols", MetricUnit.Count, summary["missing"])
    metrics.add_metric("Rows", MetricUnit.Count, summary["rows"])
    metrics.flush_metrics()
    return summary
