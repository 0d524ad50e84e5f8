"""HTTP/1.1 on a connection: uvicorn's protocol on httptools, with the limits that it lacks.

uvicorn ends a connection that is idle between two requests (5 s) and pauses reading a body that nobody reads (64 KiB).
It reads a head of any size, and waits for ever for the rest of a head that has begun, for a connection's first request,
and for the rest of a body that nobody reads.
"""

from __future__ import annotations

from asyncio import Transport
from asyncio.events import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes of the address and all headers; the door has smaller limits, and explains them."""
HEAD_SECONDS = 10.0
"""Time in which the head of a request has to arrive, from the beginning of the connection or of the request."""


class LimitedProtocol(HttpToolsProtocol):
    """A connection whose heads are limited in size and time."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        super().__init__(*positional, **named)
        self._head = 0
        """Bytes of the head that is being read."""
        self._is_head = True
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEAD_SECONDS, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request; refuse it if its head is too long."""
        self._head += len(data)
        super().data_received(data)
        if not self._is_head or self.transport.is_closing():
            return
        if self._head > MAX_HEAD:
            reason = f"The head of the request is longer than {MAX_HEAD:,} bytes.".encode()
            fields = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(reason)
            self.transport.write(STATUS_LINE[431] + fields + reason)
            self._end()
        elif self._head and self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._end)

    def on_headers_complete(self) -> None:
        """Note that the head has arrived."""
        self._is_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request has arrived."""
        self._is_head, self._head = True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End the connection if the request has been answered before all of its body has arrived."""
        super().on_response_complete()
        if not self._is_head:
            self._end()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
