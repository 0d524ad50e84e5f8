"""The Lambda function at the end of every run, also of a failed one: the summary, and the metrics for the alarms."""

from __future__ import annotations

from typing import cast

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.events import RunOptions, SummariseCall, SummariseEvent, SummariseResult
from stockstream.pipeline.events.validation import checked_event
from stockstream.pipeline.handlers.runtime import SERVICE, Invocation, lambda_handler
from stockstream.pipeline.steps import summarise

metrics = Metrics(namespace="StockStream", service=SERVICE)


@lambda_handler
def handler(event: SummariseCall, invocation: Invocation) -> SummariseResult:
    """Event: the state of the execution. Returns the result of summarise."""
    state = _state(event, str(invocation.market.today(invocation.now)))
    state |= {"run": event["run"], "now": invocation.now.isoformat()}
    settings = invocation.settings
    summary = summarise.run(state, invocation.lake, invocation.market, settings.source, settings.environment)
    metrics.add_dimension("environment", settings.environment)
    metrics.add_dimension("market", invocation.market.name)
    metrics.add_metric("Symbols", MetricUnit.Count, summary["symbols"])
    metrics.add_metric("MissingSymbols", MetricUnit.Count, summary["missing"])
    metrics.add_metric("Rows", MetricUnit.Count, summary["rows"])
    metrics.flush_metrics()
    return summary


def _state(event: SummariseCall, today: str) -> SummariseEvent:
    """Return the state of the execution with its day.

    If the first step failed, the rest of the state is the execution's input, which may be anything.

    Raises:
        UsageError: The day is none.
    """
    state, failure = event["state"], event["state"].get("failure")
    is_input = isinstance(failure, dict) and "symbols" in failure
    try:
        day = checked_event({"date": state.get("date") or today}, RunOptions)["date"]
    except UsageError:
        if not is_input:
            raise
        day = today
    return cast(SummariseEvent, {**({"failure": failure} if is_input else state), "date": day})
