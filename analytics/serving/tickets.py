"""Tickets: what a browser opens a stream with, because EventSource and WebSocket send no header with a key.

A ticket is random, is good for one stream within a minute, and does not outlive its server: an address is written into
the logs of proxies.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict

from stockstream.analytics.serving.keys import Key

SECONDS = 60
MAX_TICKETS = 100_000


class Tickets:
    """The tickets of one server."""

    def __init__(self) -> None:
        self._issued: OrderedDict[str, tuple[Key, float]] = OrderedDict()

    async def issue(self, key: Key) -> str:
        """Return a ticket for the holder of a key."""
        ticket, now = secrets.token_urlsafe(32), time.monotonic()
        self._issued[ticket] = key, now + SECONDS
        while len(self._issued) > MAX_TICKETS or next(iter(self._issued.values()))[1] < now:
            self._issued.popitem(last=False)
        return ticket

    async def redeem(self, ticket: str) -> Key | None:
        """Return for whom a ticket is, once; None: it is not of this server, was used, or its minute is over."""
        key, until = self._issued.pop(ticket, (None, 0.0))
        return key if time.monotonic() < until else None
