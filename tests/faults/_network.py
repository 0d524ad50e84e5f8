"""Break requests to the S3 server: refuse them, cut or drop their answers, or do not answer in time."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff

from tests.s3_server import S3Server

Wsgi = Callable[..., Iterable[bytes]]
REFUSALS = {"500": "InternalError", "503": "SlowDown", "400": "ExpiredToken", "403": "AccessDenied"}
CONFLICT = "412 after success"
FAULTS = ("500", "503", "403", "cut", "lost", "dropped", "timeout", CONFLICT)
"""How one request fails.

A status: it is refused. `cut`: it is carried out, and its answer ends in the middle. `lost`: it is carried out, and the
connection is closed without an answer. `dropped`: the connection is closed and nothing is carried out. `timeout`: the
answer comes after the client has given up. `412 after success`: a put is carried out, and answered as if another writer
had been first.
"""
PATIENCE = 0.3
"""Seconds that boto3 waits for an answer in `impatient`."""


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have boto3 wait for an answer for less than a second, and send a request again at once."""
    monkeypatch.setitem(Config.OPTION_DEFAULTS, "read_timeout", PATIENCE)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.01)


@contextmanager
def breaking(server: S3Server, how: str, first: int, last: int) -> Iterator[Counter[str]]:
    """Break the requests with the numbers `first` to `last`, counting puts only if `how` concerns no others.

    The counter has the requests that arrived (`asked`) and those that were broken (`broken`).
    """
    whole: Wsgi = server._server.app  # type: ignore[assignment]
    seen: Counter[str] = Counter()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if concerns(how, environ):
            seen["asked"] += 1
            if first <= seen["asked"] <= last:
                seen["broken"] += 1
                return broken(whole, how, environ, start_response)
        return whole(environ, start_response)

    server._server.app = app  # type: ignore[assignment]
    try:
        yield seen
    finally:
        server._server.app = whole  # type: ignore[assignment]


def concerns(how: str, environ: dict[str, Any]) -> bool:
    """Return whether a request can fail in this way: DuckDB's timeout is half a minute, and only puts conflict."""
    if how == "timeout":
        return "boto" in environ.get("HTTP_USER_AGENT", "").lower()
    return how != CONFLICT or environ["REQUEST_METHOD"] == "PUT"


def broken(whole: Wsgi, how: str, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Return the broken answer to a request."""

    def refuse(status: str, code: str) -> Iterable[bytes]:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as asked</Message></Error>"
        start_response(f"{status} asked", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body.encode()]

    if how in REFUSALS:
        return refuse(how, REFUSALS[how])
    if how == CONFLICT:
        b"".join(whole(environ, lambda *_: lambda _: None))
        return refuse("412", "PreconditionFailed")
    if how == "cut":

        def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
            return start_response(status, [*kept, ("Content-Length", "100000"), ("Connection", "close")], *rest)

        return [b"".join(whole(environ, started))[:7]]
    if how == "lost":
        b"".join(whole(environ, lambda *_: lambda _: None))
    if how == "timeout":
        time.sleep(2 * PATIENCE)
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    start_response("500 Closed", [("Content-Length", "0")])
    return [b""]
