"""A websocket that is kept open: it reconnects after errors, after clean closes, and when no data come.

A feed may stay connected and mute for hours, so that the socket itself says nothing: during the session, silence of
`silence` seconds is a failure. The wait before an attempt grows, with jitter, and is short again after data.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import websockets

from stockstream.pipeline.live.fold import Session

SILENCE = 10.0
"""Seconds without data in a session after which a connection counts as dead."""
QUIET = 300.0
"""The same outside of the session's hours."""
FIRST_WAIT = 0.5
MAX_WAIT = 30.0
OPEN_TIMEOUT = 10.0
MAX_FRAME = 1 << 26
"""Bytes of a message; a server that sends a larger one is left, and tried again later."""

Greet = Callable[[Any], Awaitable[None]]
"""Logs in and subscribes on a new connection. Raises SourceError if no attempt can succeed."""
IsData = Callable[[bytes], bool]
"""Whether a frame is data, and not a message about the connection."""


class SilenceError(Exception):
    """No data came for too long."""


async def kept_open(
    url: str,
    greet: Greet,
    is_data: IsData,
    session: Session | None,
    stats: Counter[str],
    notes: dict[str, Any],
    *,
    silence: float = SILENCE,
    first_wait: float = FIRST_WAIT,
) -> AsyncIterator[bytes]:
    """Yield the data frames of one connection after the other, without end.

    Raises:
        SourceError: from `greet`.
    """
    wait = first_wait
    while True:
        try:
            async with websockets.connect(
                url, max_size=MAX_FRAME, max_queue=64, compression=None, open_timeout=OPEN_TIMEOUT, close_timeout=1
            ) as socket:
                stats["connections"] += 1
                await asyncio.wait_for(greet(socket), OPEN_TIMEOUT)
                async for frame in _frames(socket, is_data, session, silence):
                    wait = first_wait
                    yield frame
            notes["last_reconnect"] = "the server closed the connection"
            stats["closed"] += 1
        except SilenceError as error:
            notes["last_reconnect"] = str(error)
            stats["silent"] += 1
        except (websockets.WebSocketException, OSError, TimeoutError) as error:
            notes["last_reconnect"] = f"{type(error).__name__}: {error}".rstrip(": ")[:200]
            stats["lost"] += 1
        await asyncio.sleep(wait * random.uniform(0.5, 1.0))
        wait = min(2 * wait, MAX_WAIT)


async def _frames(socket: Any, is_data: IsData, session: Session | None, silence: float) -> AsyncIterator[bytes]:
    """Yield the data frames of a connection until it is closed cleanly.

    Raises:
        SilenceError: no data came for too long, whatever else did.
    """
    newest = time.monotonic()
    while True:
        limit = silence if _is_open(session) else max(QUIET, silence)
        left = newest + limit - time.monotonic()
        frame = None
        if left > 0:
            with suppress(TimeoutError):
                try:
                    frame = await asyncio.wait_for(socket.recv(decode=False), left)
                except websockets.ConnectionClosedOK:
                    return
        if frame is None:
            raise SilenceError(f"no data for {limit:g} s")
        if is_data(frame):
            newest = time.monotonic()
            yield frame


def _is_open(session: Session | None) -> bool:
    return session is None or session.opens <= 1000 * time.time() < session.closes
