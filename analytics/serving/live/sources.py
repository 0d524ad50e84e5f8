"""Where live bars come from: a stream in this process, or the states that a stream elsewhere saves in the lake.

A source never ends the server: what fails is reported on the board, counted, logged, and tried again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from stockstream.analytics.serving.live.board import Board
from stockstream.pipeline.alerts.memory import AlertMemory
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.lake import LIVE, Lake
from stockstream.pipeline.live.fold import Fold, Session
from stockstream.pipeline.live.state import State, StateTable, restore
from stockstream.pipeline.live.stream import Stream
from stockstream.sql.errors import StockStreamError

FOLLOW_SECONDS = 1.0
ALERTS_EVERY, SESSIONS_EVERY = 3, 15
"""Looks at the states per look at the alerts, and at the list of sessions."""
FIRST_PAUSE, MAX_PAUSE = 1.0, 60.0
"""Seconds before a source that has failed is tried again."""


class Source(Protocol):
    """A source of live bars."""

    async def run(self, board: Board, stop: asyncio.Event) -> None:
        """Report on the board until `stop` is set."""


async def paused(stop: asyncio.Event, seconds: float) -> None:
    """Wait some seconds, or until `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def tried(attempt: Callable[[], Awaitable[bool]], board: Board, stop: asyncio.Event) -> None:
    """Run an attempt again and again, after failures with growing pauses; it returns whether to go on."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        try:
            if not await attempt():
                return
            pause = FIRST_PAUSE
        except (StockStreamError, OSError) as error:
            board.report("failed", reason=str(error))
            await paused(stop, pause * random.uniform(0.5, 1))
            pause = min(2 * pause, MAX_PAUSE)


@dataclass
class OwnStream:
    """A stream in this process; its sessions follow each other."""

    open: Callable[[asyncio.Event], Awaitable[Stream | None]]
    """Returns the stream of the next session, when it is to begin; None if `stop` was set."""

    async def run(self, board: Board, stop: asyncio.Event) -> None:
        """Stream session after session; a recording once."""

        async def session() -> bool:
            board.report("waiting")
            stream = await self.open(stop)
            if stream is None:
                return False
            stream.hub, stream.on_alerts = board.hub, board.alerted
            earlier = [one.alert for one in stream.alerts.alerts.memory.alerts] if stream.alerts else []
            board.begin(stream.fold, earlier)
            await stream.run(stop)
            board.report("ended")
            return not stream.feed.is_replay

        await tried(session, board, stop)


class SavedStates:
    """The newest states in the lake, read every second: of a stream in another process, or of `publish_live`."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._session = ""
        self._states: StateTable
        self._memory: AlertMemory
        self._looks = 0

    async def run(self, board: Board, stop: asyncio.Event) -> None:
        """Follow the states of the newest session."""

        async def look() -> bool:
            if self._looks % SESSIONS_EVERY == 0 and not await self._found():
                board.report("waiting", reason=f"{self._lake.uri} has no live bars: `stockstream stream` makes them")
            elif self._session:
                await self._follow(board)
            self._looks = 0 if not self._session else self._looks + 1
            await paused(stop, FOLLOW_SECONDS)
            return True

        await tried(look, board, stop)

    async def _found(self) -> bool:
        """Look for the newest session; return whether there is one."""
        keys = await asyncio.to_thread(self._lake.store.list, LIVE)
        newest = max((key.split("/")[1] for key in keys if "/bars/" in key), default="")
        if newest != self._session:
            self._session = newest
            self._states, self._memory = StateTable(self._lake, newest), AlertMemory(self._lake, newest)
        return bool(newest)

    async def _follow(self, board: Board) -> None:
        state = await asyncio.to_thread(self._states.load, self._states.number)
        is_new = board.state.session != self._session
        if state is not None:
            show(board, state)
        elif not is_new:
            board.report("streaming")  # it may have failed before
        if (self._looks % ALERTS_EVERY == 0 or is_new) and board.state.session == self._session:
            await asyncio.to_thread(self._memory.load)
            alert_again(board, [one.alert for one in self._memory.alerts], is_new)


def show(board: Board, state: State) -> None:
    """Publish the bars of a state that differ from those on the board."""
    fold = Fold(Session(state.session, 0, 0, 0, 0))
    restore(fold, state)
    shown = board.hub.fold
    if shown is None or shown.session.date != state.session:
        board.begin(fold)
        return
    changed = {name: bar for name, bar in fold.bars.items() if shown.bars.get(name) != bar}
    shown.bars = fold.bars
    board.hub.publish(changed)
    board.report("streaming")


def alert_again(board: Board, alerts: list[Alert], is_new: bool) -> None:
    """Send the alerts of a session that the board does not have; those of a session that is new to it are known."""
    present = {one.identity for one in board.alerts}
    new = [one for one in alerts if one.identity not in present]
    if is_new:
        board.alerts += new
    else:
        board.alerted(new)
