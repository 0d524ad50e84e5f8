"""The interface of the record of alerts, as the notifier sees it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class Outbox(Protocol):
    """What remembers which alerts were delivered. The notifier calls it from its own threads."""

    def mark_delivered(self, identities: Collection[str], channel: str, at: str) -> None:
        """Remember that a channel has delivered alerts, by their `Alert.identity`, at a time (ISO 8601, UTC).

        A crash before this is complete makes the next process deliver them again.

        Raises:
            StockStreamError: it cannot be stored; the notifier tries again later.
        """
