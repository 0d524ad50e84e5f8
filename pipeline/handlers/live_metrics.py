"""The metrics of the speed layer, as lines in CloudWatch's embedded format: no request, and no right to put metrics."""

from __future__ import annotations

from collections.abc import Mapping

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from stockstream.pipeline.markets import Market

NAMESPACE = "StockStream"


def put_metrics(
    values: Mapping[str, float],
    market: Market,
    environment: str,
    by_reason: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Put values by name, with the dimensions environment and market; those of `by_reason` also have `reason`."""
    for name, value in values.items():
        _put(name, value, {"environment": environment, "market": market.name})
    for name, reasons in (by_reason or {}).items():
        for reason, value in reasons.items():
            _put(name, value, {"environment": environment, "market": market.name, "reason": reason})


def _put(name: str, value: float, dimensions: Mapping[str, str]) -> None:
    unit = MetricUnit.Seconds if name.startswith("Seconds") else MetricUnit.Count
    with single_metric(name=name, unit=unit, value=value, namespace=NAMESPACE) as metric:
        for dimension, text in dimensions.items():
            metric.add_dimension(name=dimension, value=text)
