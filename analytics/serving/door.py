"""The door: what every request passes before an endpoint sees it, and what is noted of every answer.

In this order: the header Host, the key or ticket, the scope, the bucket. `/health` needs no key. Every answer has the
headers that tell a browser not to do anything that a page of this server does not need.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stockstream.analytics.serving.buckets import Buckets
from stockstream.analytics.serving.keys import ANYBODY, Key, Keys
from stockstream.analytics.serving.metrics import Metrics
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.tickets import Tickets

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
OPEN = ("/health",)
"""Paths that need no key."""
LIVE = ("/v1/live", "/v1/stream", "/v1/tickets", "/v1/ws")
"""Paths that need the scope `live`."""
STREAMS = ("/v1/stream", "/v1/ws")
"""Paths that a ticket opens."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_access = logging.getLogger("stockstream.access")


@dataclass
class Door:
    """The middleware; `keys` None: a server without keys, which only this machine may reach."""

    app: ASGIApp
    keys: Keys | None
    buckets: Buckets
    metrics: Metrics
    hosts: Collection[str] = LOOPBACK
    """What the header Host may name, without the port; empty: anything."""
    tickets: Tickets = field(default_factory=Tickets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = 101
            elif message["type"].endswith("http.response.start"):
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] += [pair for pair in _HEADERS if pair[0] not in present]
            await send(message)

        caller = "-"
        try:
            key = await self._admitted(scope)
            caller = key.name
            scope.setdefault("state", {})["key"] = key
            await self.app(scope, receive, noted)
        except Problem as problem:
            await problem.response()(scope, receive, noted)
        finally:
            self._note(scope, caller, status, time.perf_counter() - began)

    async def _admitted(self, scope: Scope) -> Key:
        """Return the key of a request.

        Raises:
            Problem: it may not pass (401, 403, 421, 429).
        """
        headers, path = Headers(scope=scope), scope["path"]
        if self.hosts and _without_port(headers.get("host", "")) not in self.hosts:
            raise Problem(421, "the header Host names another server: --allow-host NAME lets it pass")
        if path in OPEN:
            return ANYBODY
        key = ANYBODY if self.keys is None else await self._key(headers, scope)
        needed = "live" if path.startswith(LIVE) else "read"
        if needed not in key.scopes:
            raise Problem(403, f"the key {key.name} does not have the scope {needed}")
        client = scope["client"][0] if scope.get("client") else "-"
        if waiting := await self.buckets.take(f"{key.name} {client}" if key is ANYBODY else key.name):
            seconds = str(max(1, round(waiting + 0.5)))
            raise Problem(429, f"too many requests: wait {seconds} s", {"Retry-After": seconds})
        return key

    async def _key(self, headers: Headers, scope: Scope) -> Key:
        assert self.keys is not None
        kind, _, text = headers.get("authorization", "").partition(" ")
        sent = text.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")
        key = self.keys.of(sent) if sent else None
        if key is None and scope["path"] in STREAMS:
            [ticket] = parse_qs(scope["query_string"].decode("latin-1")).get("ticket", [""])[:1]
            key = await self.tickets.redeem(ticket)
        if key is None:
            reason = "there is no such key" if sent else "a key is needed: Authorization: Bearer KEY"
            raise Problem(401, reason, {"WWW-Authenticate": "Bearer"})
        return key

    def _note(self, scope: Scope, caller: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self.metrics.note(route, status, seconds)
        line = {
            "method": scope.get("method", "WEBSOCKET"),
            "path": scope["path"],
            "status": status,
            "ms": round(1000 * seconds, 2),
            "key": caller,
            "client": scope["client"][0] if scope.get("client") else None,
        }
        _access.info("request", extra=line)


_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()
