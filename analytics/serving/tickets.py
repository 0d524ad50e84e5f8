"""Tickets: what a browser opens a stream with, because EventSource and WebSocket send no header with a key.

A ticket is the name of a key, its scopes and a time, signed by the server; it is good for a minute, as an address is
written into logs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time

from stockstream.analytics.serving.keys import Key

SECONDS = 60


class Tickets:
    """The tickets of one server; several servers share the secret."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)

    def of(self, key: Key, now: float | None = None) -> str:
        """Return a ticket for the holder of a key."""
        until = int((time.time() if now is None else now) + SECONDS)
        payload = json.dumps([key.name, sorted(key.scopes), until], separators=(",", ":")).encode()
        return f"{_text(payload)}.{_text(self._signature(payload))}"

    def key(self, ticket: str, now: float | None = None) -> Key | None:
        """Return for whom a ticket is; None: it is not of this server, or its minute is over."""
        try:
            payload, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in ticket.split("."))
        except ValueError:
            return None
        if not hmac.compare_digest(signature, self._signature(payload)):
            return None
        name, scopes, until = json.loads(payload)
        return Key(name, "", frozenset(scopes)) if (time.time() if now is None else now) < until else None

    def _signature(self, payload: bytes) -> bytes:
        return hmac.new(self._secret, payload, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
