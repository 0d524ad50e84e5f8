"""Metrics of the streams, in a registry of their own; `/metrics` shows them behind those of the requests."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Measures:
    """The metrics of the live part of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.streams = Gauge("stockstream_streams", "Open streams of live bars.", registry=self.registry)
        self.sent = Counter("stockstream_stream_messages", "Messages with changes or none.", registry=self.registry)
        self.bars = Counter("stockstream_stream_bars", "Live bars in the messages.", registry=self.registry)
        self.conflated = Counter(
            "stockstream_stream_conflated_bars", "States of bars that newer ones replaced.", registry=self.registry
        )
        self.dropped = Counter(
            "stockstream_stream_dropped_alerts", "Alerts that slow readers did not get.", registry=self.registry
        )
        self.closed = Counter(
            "stockstream_streams_closed", "Streams by their end.", ("reason",), registry=self.registry
        )
        self.refused = Counter("stockstream_streams_refused", "Refused streams.", ("limit",), registry=self.registry)
        self.failures = Counter("stockstream_live_failures", "Failures of the source.", registry=self.registry)
        self.streaming = Gauge("stockstream_live_streaming", "1 while the source delivers.", registry=self.registry)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
