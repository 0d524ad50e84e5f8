"""Commands that run an event loop until a signal arrives. Other commands need not import asyncio."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import FrameType

from stockstream.analytics.cli.signals import SIGNALS, handlers
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.live.heartbeat import beating
from stockstream.sql.errors import UsageError


@asynccontextmanager
async def until_signal() -> AsyncIterator[tuple[asyncio.Event, Callable[[], signal.Signals | None]]]:
    """Let a signal set an event in place of ending the process; yield the event, and a function of the signal.

    A second signal ends the process at once. While the loop runs, it touches the file STOCKSTREAM_HEARTBEAT.

    Raises:
        UsageError: the file cannot be written.
    """
    stop, received = asyncio.Event(), list[signal.Signals]()
    loop = asyncio.get_running_loop()

    def note(number: int, _: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    path = settings().heartbeat
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(beating(path))
        except OSError as error:
            raise UsageError(f"STOCKSTREAM_HEARTBEAT={path} cannot be written: {error.strerror}") from None
        with handlers(note):
            yield stop, lambda: received[0] if received else None
