"""`/v1/stream`: server-sent events (WHATWG HTML, section 9.2).

A message has the events of one interval. Its `id` is the time of the newest alert: a browser that reconnects sends it
as `Last-Event-ID`, and receives the alerts after it. Bars are not repeated, as their newest state comes first anyway.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from stockstream.analytics.serving.live.board import Board
from stockstream.analytics.serving.live.listening import Stored, caller_of, listened
from stockstream.analytics.serving.live.subscriber import STALLED, Event, Subscriber
from stockstream.analytics.serving.parameters import Stream, parsed

logger = logging.getLogger(__name__)

RETRY = 3000
"""Milliseconds after which a browser reconnects."""
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx sends each message at once
]


class EventStream:
    """The application behind `/v1/stream`."""

    def __init__(self, board: Board, stored: Stored) -> None:
        self._board, self._stored = board, stored

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request until the reader is gone, does not read, or the server ends.

        Raises:
            Problem: a parameter is wrong, or there are too many streams.
        """
        request = Request(scope)
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            await send({"type": "http.response.body", "body": b""})
            return
        query = parsed(Stream, request.query_params.multi_items())
        symbols = listened(self._board, self._stored(), query.symbols)
        last_event = request.headers.get("last-event-id", "")
        subscriber = self._board.subscribe(caller_of(scope), symbols, query.interval, last_event)
        gone = asyncio.create_task(_gone(receive, subscriber))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            await send(_body(b"retry: %d\n\n" % RETRY))
            reason = await subscriber.run(lambda events: send(_body(self._text(events))))
        finally:
            gone.cancel()
            self._board.remove(subscriber, "gone")
        if reason == "stalled":
            logger.warning("a stream of %s ended: nothing was read for %.0f s", subscriber.caller, STALLED)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _text(self, events: list[Event]) -> bytes:
        if not events:
            return b":\n\n"
        parts = [b"event: %s\ndata: %s\n\n" % one for one in _encoded(events)]
        return b"id: %s\n" % self._board.last_event.encode() + b"".join(parts)


def _encoded(events: list[Event]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), data) for name, data in events]


def _body(data: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def _gone(receive: Receive, subscriber: Subscriber) -> None:
    """End a subscriber when its client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.end("gone")
