"""The door: what every request passes before an endpoint sees it, and what is noted of every answer.

In this order: the size of the head, the header Host, the key, ticket or session, the bucket, the scope, the number of
requests at once, and of a request that changes something its body and the page that sent it (`forgery.py`). Every
answer has the headers that tell a browser not to do anything that a page of this server does not need.
"""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stockstream.analytics.serving import bodies
from stockstream.analytics.serving.buckets import Buckets
from stockstream.analytics.serving.forgery import SAFE, Guard, is_sent_by_a_program
from stockstream.analytics.serving.keys import ANYBODY, Key, Keys
from stockstream.analytics.serving.login import to_login
from stockstream.analytics.serving.metrics import Metrics
from stockstream.analytics.serving.pages import problem_page
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.scopes import is_open, needed
from stockstream.analytics.serving.sessions import Session, Sessions
from stockstream.analytics.serving.tickets import Tickets

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
STREAMS = ("/v1/stream", "/v1/ws")
"""Paths that a ticket opens, and that may stay open."""
SCHEMES = {"ws": "http", "wss": "https"}
"""The scheme of the page that may open a WebSocket."""
MAX_ADDRESS = 8 * 1024
"""Bytes of a path and its query."""
MAX_HEADERS, MAX_HEADER_BYTES = 100, 32 * 1024
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
EXPOSED = ("ETag", "Retry-After", "X-Generation", "X-Next-Page-Token", "X-Truncated")
"""Headers of an answer that a script of an allowed origin may read."""
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_access = logging.getLogger("stockstream.access")


@dataclass
class Door:
    """The middleware; `keys` None: a server without keys, which only this machine may reach."""

    app: ASGIApp
    keys: Keys | None
    buckets: Buckets
    metrics: Metrics
    guard: Guard
    sessions: Sessions
    hosts: Collection[str] = LOOPBACK
    """What the header Host may name, without the port; empty: anything."""
    tickets: Tickets = field(default_factory=Tickets)
    origins: Sequence[str] = ()
    """Other sites whose pages may read /v1 with a key (CORS)."""
    at_once: int = 100
    """Requests of a caller at the same time, without streams."""

    def __post_init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._shared = CORSMiddleware(
            self._pass,
            allow_origins=self.origins,
            allow_methods=["GET"],
            allow_headers=["Authorization", "X-API-Key", "If-None-Match"],
            expose_headers=EXPOSED,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        is_shared = bool(self.origins) and scope["type"] == "http" and scope["path"].startswith("/v1/")

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = 101
            elif message["type"].endswith("http.response.start"):
                status = message["status"]
                message["headers"] = self._completed(message["headers"], scope, is_shared)
            await send(message)

        scope["state"] = {
            **scope.get("state", {}),
            "key": ANYBODY if self.keys is None else None,
            "session": None,
            "form": [],
            "token": partial(self.guard.token, ""),
        }
        try:
            self._check_head(scope)
            await (self._shared if is_shared else self._pass)(scope, receive, noted)
        except Problem as problem:
            await self._refusal(scope, problem)(scope, receive, noted)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it may pass; a problem is answered here, where it gets the headers for other sites."""
        leave: Callable[[], None] | None = None
        try:
            caller = await self._admitted(scope)
            leave = self._entered(scope, caller)
            receive = await self._changing(scope, receive)
            await self.app(scope, receive, send)
        except Problem as problem:
            await self._refusal(scope, problem)(scope, receive, send)
        finally:
            if leave is not None:
                leave()

    def _check_head(self, scope: Scope) -> None:
        """Check the sizes of a request's head, and the header Host.

        Raises:
            Problem: it is too large (414, 431), or names another server (400, 421).
        """
        length = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        if length > MAX_ADDRESS:
            raise Problem(414, f"the address has {length:,} bytes: at most {MAX_ADDRESS:,}")
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if len(scope["headers"]) > MAX_HEADERS or size > MAX_HEADER_BYTES:
            raise Problem(431, f"the headers are more than {MAX_HEADERS}, or longer than {MAX_HEADER_BYTES:,} bytes")
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            raise Problem(400, "the request needs one header Host, with the name of the server and its port")
        if self.hosts and match["name"].lower() not in self.hosts:
            raise Problem(421, "the header Host names another server: --allow-host NAME lets it pass")

    async def _admitted(self, scope: Scope) -> str:
        """Find the key of a request; return what its caller is called.

        Raises:
            Problem: it may not pass (401, 403, 429).
        """
        state, path = scope["state"], scope["path"]
        client = scope["client"][0] if scope.get("client") else "-"
        if self.keys is not None:
            key, session = await self._key(scope)
            state |= {"key": key, "session": session}
            if session is not None:
                state["token"] = partial(self.guard.token, session.id)
        key, scope_needed = state["key"], needed(path)
        caller = client if key is None else f"{key.name} {client}" if key is ANYBODY else key.name
        if path == "/health":
            return caller
        if waiting := await self.buckets.take(caller):
            seconds = str(max(1, round(waiting + 0.5)))
            raise Problem(429, f"too many requests: wait {seconds} s", {"Retry-After": seconds})
        if key is None and not is_open(path):
            sent = _sent(Headers(scope=scope))
            reason = "there is no such key" if sent else "a key is needed: Authorization: Bearer KEY"
            raise Problem(401, reason, {"WWW-Authenticate": "Bearer"})
        if scope_needed is not None and scope_needed not in key.scopes:
            raise Problem(403, f"the key {key.name} does not have the scope {scope_needed}")
        return caller

    async def _key(self, scope: Scope) -> tuple[Key | None, Session | None]:
        """Return the key that a request has sent, as a header, a ticket or a session."""
        assert self.keys is not None
        if sent := _sent(Headers(scope=scope)):
            return self.keys.of(sent), None
        if scope["path"] in STREAMS and b"ticket=" in scope["query_string"]:
            [ticket] = parse_qs(scope["query_string"].decode("latin-1")).get("ticket", [""])[:1]
            return await self.tickets.redeem(ticket), None
        session = self.sessions.of(HTTPConnection(scope), self.keys)
        return (session.key, session) if session is not None else (None, None)

    def _entered(self, scope: Scope, caller: str) -> Callable[[], None] | None:
        """Count a request while it is answered; return what ends that.

        Raises:
            Problem: its caller has too many (429).
        """
        if scope["path"] in (*STREAMS, "/health"):
            return None
        if self._open[caller] >= self.at_once:
            raise Problem(429, f"more than {self.at_once} requests at once", {"Retry-After": "1"})
        self._open[caller] += 1

        def leave() -> None:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

        return leave

    async def _changing(self, scope: Scope, receive: Receive) -> Receive:
        """Check a request that changes something, and a WebSocket; return where its body is to be read.

        Raises:
            Problem: it is of another site's page, or has no token (403); its body is refused (400, 408, 413, 422).
        """
        headers, state = Headers(scope=scope), scope["state"]
        if scope["type"] == "websocket":
            self.guard.check_origin(headers, SCHEMES[scope["scheme"]])
        elif scope["method"] not in SAFE:
            body = await bodies.read(headers, receive)
            state["form"], receive = bodies.fields(headers, body), bodies.again(body, receive)
            if not is_sent_by_a_program(headers):
                self.guard.check_origin(headers, scope["scheme"])
                session = state["session"].id if state["session"] is not None else ""
                self.guard.check_token(headers, dict(state["form"]), session)
        return receive

    def _refusal(self, scope: Scope, problem: Problem) -> Response:
        """Return the answer with a problem: for a browser's page, a page."""
        accept = Headers(scope=scope).get("accept", "")
        if scope["type"] != "http" or scope["path"].startswith("/v1/") or "text/html" not in accept:
            return problem.response()
        if problem.status == 401 and scope["method"] in SAFE:
            return to_login(Request(scope))
        return problem_page(Request(scope), problem)

    def _completed(
        self, headers: list[tuple[bytes, bytes]], scope: Scope, is_shared: bool
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers of an answer with those that every answer has."""
        if self.keys is not None and not is_open(scope["path"]):  # no cache that several people share may keep it
            headers = [
                (name, value.replace(b"public", b"private") if name == b"cache-control" else value)
                for name, value in headers
            ]
        present = {name.lower() for name, _ in headers}
        headers = [*headers, *(pair for pair in _HEADERS if pair[0] not in present)]
        varies = b",".join(value for name, value in headers if name.lower() == b"vary").lower()
        return [*headers, (b"vary", b"Origin")] if is_shared and b"origin" not in varies else headers

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route, key = getattr(scope.get("route"), "path", "other"), scope["state"]["key"]
        self.metrics.note(route, status, seconds)
        line = {
            "method": scope.get("method", "WEBSOCKET"),
            "path": scope["path"],
            "status": status,
            "ms": round(1000 * seconds, 2),
            "key": "-" if key is None else key.name,
            "client": scope["client"][0] if scope.get("client") else None,
        }
        _access.info("request", extra=line)


def _sent(headers: Headers) -> str:
    """Return the key in the headers of a request; empty: there is none."""
    kind, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")


_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
