"""A receiver of webhooks that is configured, and a record of deliveries."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator

import pytest

from tests.pipeline.alerts.receiver import SECRET, Receiver


class Memory:
    """An outbox in memory."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[str, str]] = []
        """Identity of an alert, and the channel."""
        self.failures = 0
        """How often storing fails."""
        self._lock = threading.Lock()

    def mark_delivered(self, identities: Collection[str], channel: str, at: str) -> None:
        with self._lock:
            if self.failures:
                self.failures -= 1
                raise OSError("the disk is full")
            self.deliveries += [(identity, channel) for identity in identities]


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as receiver:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", receiver.url)
        monkeypatch.setenv("ALERT_WEBHOOK_SECRET", SECRET)
        yield receiver
