"""Bodies of requests: read as a whole before an endpoint runs, within limits of size and time."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive

from stockstream.analytics.serving.problems import Problem

MAX_BYTES = 64 * 1024
"""Size of a form, or of a query in SQL."""
MAX_FIELDS = 200
SECONDS = 10.0
"""Time in which a body has to arrive."""
FIELD = "token"
"""The field of a form that has its token."""
FORM = "application/x-www-form-urlencoded"


async def read(headers: Headers, receive: Receive) -> bytes:
    """Return the body of a request.

    Raises:
        Problem: it is too long (413), does not arrive in time (408), or the caller has gone (400).
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BYTES:
        raise _too_long()
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(400, "the body ended early")
                body += message.get("body", b"")
                if len(body) > MAX_BYTES:
                    raise _too_long()
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Problem(408, f"the body did not arrive in {SECONDS:g} s", {"Connection": "close"}) from None


def again(body: bytes, receive: Receive) -> Receive:
    """Return a function that sends a body that has been read to an endpoint, and then what `receive` has."""
    sent = False

    async def repeated() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return repeated


def fields(headers: Headers, body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form; none for another type of body.

    Raises:
        Problem: it has too many fields, or is no UTF-8 (422).
    """
    if headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        return []
    try:
        text = body.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Problem(422, f"the body is no form of at most {MAX_FIELDS} fields in UTF-8") from None


def form_of(request: Request) -> list[tuple[str, str]]:
    """Return the fields of the form that a request has sent, without the token, as `parameters.parsed` takes them."""
    sent: list[tuple[str, str]] = request.state.form
    return [(name, value) for name, value in sent if name != FIELD]


def _too_long() -> Problem:
    return Problem(413, f"the body is longer than {MAX_BYTES:,} bytes", {"Connection": "close"})
