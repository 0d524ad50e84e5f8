"""Live bars in Redis: the server with the stream writes them there, and the others follow.

    stockstream:LAKE:bars      per symbol, the newest bar
    stockstream:LAKE:about     session, source, state and alerts
    stockstream:LAKE:changes   a channel: a list of bars that have changed, or nothing, which means: read `about` again

A follower reads everything when it has connected, then what the channel brings; after a failure it does so again. So a
message that is lost costs the newest state of a bar only until the connection is noticed to be gone.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
from redis.exceptions import RedisError

from stockstream.analytics.serving.live.board import Board, StateName
from stockstream.analytics.serving.live.sources import FIRST_PAUSE, alert_again, paused
from stockstream.analytics.serving.shared import FAILURES, MAX_PAUSE, Shared
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.live.bar import SCALE, Bar
from stockstream.pipeline.live.fold import Fold, Session
from stockstream.pipeline.live.hub import Subscription
from stockstream.pipeline.live.state import Columns

INTERVAL = 0.25
"""Seconds between writes, at least."""
KEPT = 86_400
"""Seconds after which Redis forgets bars that are not written any more."""


class About(msgspec.Struct):
    """What is known beside the bars."""

    session: str
    source: str
    state: StateName
    reason: str | None
    alerts: list[Alert]


class Row(Columns):
    """A live bar as `hub.py` writes it."""

    session: str


class Publisher:
    """Writes what is on the board of this server into Redis."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._is_changed = True

    async def run(self, board: Board, stop: asyncio.Event) -> None:
        """Write until `stop` is set; after a failure, everything."""
        redis, prefix = self._shared.redis, self._shared.prefix
        pause, session = FIRST_PAUSE, None
        with board.hub.subscribe() as subscription:

            def changed() -> None:
                self._is_changed = True
                subscription.wake()

            board.on_change = changed
            while not stop.is_set():
                try:
                    texts = await _taken(subscription)
                    fold = board.hub.fold
                    if fold is None:
                        continue
                    async with redis.pipeline(transaction=True) as commands:
                        if fold.session.date != session:
                            commands.delete(f"{prefix}bars")
                        if texts:
                            commands.hset(f"{prefix}bars", items=[part for pair in texts.items() for part in pair])
                            commands.expire(f"{prefix}bars", KEPT)
                            commands.publish(f"{prefix}changes", b"[" + b",".join(texts.values()) + b"]")
                        if self._is_changed or fold.session.date != session:
                            commands.set(f"{prefix}about", _about(board, fold), ex=KEPT)
                            commands.publish(f"{prefix}changes", b"")
                            self._is_changed = False
                        is_idle = not len(commands)
                        await commands.execute()
                    if is_idle and not await redis.exists(f"{prefix}about"):  # Redis has been started again
                        raise RedisError("it is empty")
                    self._shared.succeeded()
                    pause, session = FIRST_PAUSE, fold.session.date
                    await paused(stop, INTERVAL)
                except FAILURES as error:
                    self._shared.failed(error)
                    await paused(stop, pause * random.uniform(0.5, 1))
                    pause, session = min(2 * pause, MAX_PAUSE), None
                    subscription.forget()
                    changed()


class Follower:
    """The source of a server that follows another one through Redis."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def run(self, board: Board, stop: asyncio.Event) -> None:
        """Follow until `stop` is set."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            try:
                async with self._shared.redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(f"{self._shared.prefix}changes")
                    await self._read(board, with_bars=True)
                    self._shared.succeeded()
                    pause = FIRST_PAUSE
                    while not stop.is_set():
                        message: Any = await channel.get_message(timeout=0.2)
                        if message is not None:
                            await self._note(board, message["data"])
            except (*FAILURES, msgspec.DecodeError) as error:
                self._shared.failed(error)
                board.report("failed", reason=f"Redis: {error}")
                await paused(stop, pause * random.uniform(0.5, 1))
                pause = min(2 * pause, MAX_PAUSE)

    async def _read(self, board: Board, with_bars: bool) -> None:
        """Take over what Redis has beside the bars, and all bars if the session is new or they are asked for."""
        stored = await self._shared.redis.get(f"{self._shared.prefix}about")
        if stored is None:
            board.report("waiting", reason="there are no live bars in Redis")
            return
        about = msgspec.json.decode(stored, type=About)
        is_new = board.hub.fold is None or board.hub.fold.session.date != about.session
        if is_new:
            board.begin(Fold(Session(about.session, 0, 0, 0, 0)))
        if is_new or with_bars:
            texts = await self._shared.redis.hgetall(f"{self._shared.prefix}bars")
            _show(board, [msgspec.json.decode(text, type=Row) for text in texts.values()])
        alert_again(board, about.alerts, is_new)
        board.report(about.state if about.state != "stopping" else "ended", about.session, about.reason)

    async def _note(self, board: Board, data: bytes) -> None:
        rows = msgspec.json.decode(data, type=list[Row]) if data else []
        if rows and board.hub.fold is not None and rows[0].session == board.hub.fold.session.date:
            _show(board, rows)
        else:
            await self._read(board, with_bars=bool(rows))


async def _taken(subscription: Subscription) -> dict[str, bytes]:
    """Return what has changed, at the latest after a second."""
    try:
        async with asyncio.timeout(1.0):
            return await subscription.take()
    except TimeoutError:
        return {}


def _about(board: Board, fold: Fold) -> bytes:
    state = board.state
    return msgspec.json.encode(About(fold.session.date, state.source, state.state, state.reason, board.alerts))


def _show(board: Board, rows: list[Row]) -> None:
    """Publish the bars that differ from those on the board."""
    fold = board.hub.fold
    assert fold is not None
    bars = {row.symbol: _bar(row) for row in rows if row.session == fold.session.date}
    changed = {symbol: bar for symbol, bar in bars.items() if fold.bars.get(symbol) != bar}
    fold.bars |= changed
    board.hub.publish(changed)


def _bar(row: Columns) -> Bar:
    volume = round(row.volume * SCALE)
    return Bar(
        symbol=row.symbol,
        previous_close=row.previous_close,
        split_ratio=row.split_ratio,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=volume,
        events=row.events,
        total=None if row.missed is None else volume + round(row.missed * SCALE),
        late=row.late,
        at=row.at,
    )
