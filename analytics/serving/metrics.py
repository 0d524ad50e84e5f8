"""Metrics for Prometheus: requests by route and status, their duration, and the generation that is served."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """The metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "stockstream_requests", "Answers by route and status.", ("route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "stockstream_request_seconds", "Time to an answer.", ("route",), buckets=DURATIONS, registry=self.registry
        )
        self.too_long = Counter(
            "stockstream_too_long", "Answers that --query-seconds has ended.", registry=self.registry
        )
        self.generation = Gauge(
            "stockstream_generation", "Number of the generation that is served.", registry=self.registry
        )
        self.keys = Gauge("stockstream_keys", "Keys of the server.", registry=self.registry)
        self.keys_fault = Gauge("stockstream_keys_fault", "1 if --keys cannot be read.", registry=self.registry)
        self.redis = Gauge("stockstream_redis", "1 while Redis is used.", registry=self.registry)
        self.fault = Gauge("stockstream_fault", "1 if the newest generation cannot be read.", registry=self.registry)

    def note(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
