"""The interface of the record of alerts, as the notifier sees it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

Delivery = tuple[str, str]
"""The key of an alert, and the name of a channel that has delivered it."""


class Outbox(Protocol):
    """What remembers which alerts were delivered. The notifier calls it from its own threads."""

    def mark_delivered(self, deliveries: Iterable[Delivery]) -> None:
        """Remember deliveries. A crash before this is complete makes the next process deliver them again.

        Raises:
            StockStreamError: they cannot be stored; the notifier tries again later.
        """
