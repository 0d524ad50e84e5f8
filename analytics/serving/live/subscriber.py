"""A subscriber: what waits for one stream, however slow its reader is.

Bars are conflated by symbol: at most the newest state of each waits. Other events are few; of more than `MAX_NOTES`
that wait the oldest are dropped, counted, and reported to the reader. The reader sets the pace: nothing is taken for
it before it has read what was sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stockstream.pipeline.live.hub import Subscription

if TYPE_CHECKING:
    from stockstream.analytics.serving.live.board import Board

MAX_NOTES = 500
HEARTBEAT = 15.0
"""Seconds without a change after which an empty message shows that the connection works."""
STALLED = 30.0
"""Seconds after which a reader that does not read is closed."""


class Event(NamedTuple):
    """An event of a stream: bar, alert, generation or status, and its data as JSON."""

    name: str
    data: bytes


def event(name: str, data: object) -> Event:
    """Return an event with data that becomes JSON."""
    return Event(name, msgspec.json.encode(data))


class Subscriber:
    """One stream: `run` it with the function that sends."""

    def __init__(self, board: Board, caller: str, bars: Subscription, interval: float) -> None:
        self.caller, self.bars = caller, bars
        self._board, self._interval = board, interval
        self._notes: deque[Event] = deque()
        self._dropped = 0
        self._reason = ""
        self._task: asyncio.Task[object] | None = None

    def note(self, note: Event, symbol: str | None) -> None:
        """Let an event wait; one about a symbol only if it is subscribed to, or no symbol is."""
        if symbol and self.bars.symbols and symbol not in self.bars.symbols:
            return
        if len(self._notes) >= MAX_NOTES:
            self._notes.popleft()
            self._dropped += 1
            self._board.measures.dropped.inc()
        self._notes.append(note)
        self.bars.wake()

    def end(self, reason: str) -> None:
        """Interrupt `run`, which then ends."""
        self._reason = self._reason or reason
        if self._task is not None:
            self._task.cancel()

    async def run(self, send: Callable[[list[Event]], Awaitable[None]]) -> str:
        """Send what changes, at most once per interval, until the stream ends; return why: gone, stopped, stalled."""
        self._task = asyncio.current_task()
        try:
            async for events in self._batches():
                async with asyncio.timeout(STALLED):
                    await send(events)
        except TimeoutError:
            self._reason = "stalled"
        except asyncio.CancelledError:
            if not self._reason or self._task is None:
                raise
            self._task.uncancel()
        finally:
            self._measure()
            self._board.remove(self, self._reason or "gone")
        if self._reason == "stopped":
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await send(self._events({}))
        return self._reason

    async def _batches(self) -> AsyncIterator[list[Event]]:
        """Yield the events of each message; none is a heartbeat."""
        while not self._reason:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    events = self._events(await self.bars.take())
            except TimeoutError:
                events = []
            self._measure()
            self._board.measures.sent.inc()
            yield events
            await asyncio.sleep(self._interval)

    def _measure(self) -> None:
        self._board.measures.conflated.inc(self.bars.conflated)
        self.bars.conflated = 0

    def _events(self, texts: dict[str, bytes]) -> list[Event]:
        """Return what waits as events, and nothing waits any more."""
        events = list(self._notes)
        self._notes.clear()
        if self._dropped:
            events.insert(0, event("status", {"state": "slow", "alerts_dropped": self._dropped}))
            self._dropped = 0
        self._board.measures.bars.inc(len(texts))
        return [*events, *(Event("bar", text) for text in texts.values())]
