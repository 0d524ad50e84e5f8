"""Commands that run an event loop until a signal arrives. Other commands need not import asyncio."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType

from stockstream.analytics.cli.signals import SIGNALS, handlers


@asynccontextmanager
async def until_signal() -> AsyncIterator[tuple[asyncio.Event, Callable[[], signal.Signals | None]]]:
    """Let a signal set an event in place of ending the process; yield the event, and a function of the signal.

    A second signal ends the process at once.
    """
    stop, received = asyncio.Event(), list[signal.Signals]()
    loop = asyncio.get_running_loop()

    def note(number: int, _: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    with handlers(note):
        yield stop, lambda: received[0] if received else None
