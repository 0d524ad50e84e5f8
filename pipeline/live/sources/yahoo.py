"""`yahoo`: Yahoo's websocket: each message has the price and the day so far, so that what is lost heals itself.

The protocol is spoken here: yfinance's own client never reconnects after an abort, and blocks the event loop after a
clean close. Messages are Protocol Buffers in base64 in JSON (`events.decode`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import websockets

from stockstream.pipeline.errors import SourceError, UsageError
from stockstream.pipeline.live.connection import kept_open
from stockstream.pipeline.live.events import Day
from stockstream.pipeline.live.sources.base import Feed, Plan, yahoo_days
from stockstream.pipeline.live.yahoo_day import YahooDays
from stockstream.pipeline.setting_fields import EnvironmentSettings, setting
from stockstream.pipeline.symbols import yahoo_code

SILENCE = 60.0
"""Seconds without any message in a session: a short list of companies trades less often than every ten seconds."""
KEEP_ALIVE = 15.0
"""Seconds after which the symbols are subscribed again, as Yahoo's own page does."""


@dataclass(frozen=True, kw_only=True)
class YahooFeedSettings(EnvironmentSettings):
    """The settings of this source alone."""

    url: str = setting(
        "wss://streamer.finance.yahoo.com/?version=2", "STOCKSTREAM_YAHOO_STREAM_URL", "Address of Yahoo's websocket"
    )


@dataclass
class YahooFeed(Feed):
    """The websocket at `url`; it needs a list of symbols."""

    name = "yahoo"
    has_repair = True
    kind = Day
    url: str = ""
    silence: float = SILENCE
    days: YahooDays | None = None
    _renewal: asyncio.Task[None] | None = field(default=None, repr=False)

    @classmethod
    def open(cls, argument: str, plan: Plan) -> Self:
        """Return the source with the address of the settings."""
        if argument:
            raise UsageError(f"--source yahoo:{argument}: the source yahoo has no argument")
        return cls(plan, url=YahooFeedSettings.read().url)

    def day_so_far(self, symbol: str) -> Day | None:
        """Return the day of a symbol from Yahoo's chart: after a reconnect, no message may follow."""
        self.days = self.days or yahoo_days(self.plan)
        return self.days.day(symbol)

    async def frames(self, skip: int = 0) -> AsyncIterator[bytes]:
        """Yield the messages."""
        if not self.plan.symbols:
            raise SourceError("yahoo streams only the symbols that are named: write --symbols, or fill the lake first")
        stream = kept_open(
            self.url, self._greet, _is_pricing, self.plan.session, self.stats, self.notes, silence=self.silence
        )
        try:
            async with aclosing(stream) as frames:  # type: ignore[type-var]
                async for frame in frames:
                    yield frame
        finally:
            if self._renewal is not None:
                self._renewal.cancel()

    async def _greet(self, socket: Any) -> None:
        """Subscribe, and again every now and then."""
        if self._renewal is not None:
            self._renewal.cancel()
        await self._subscribe(socket)
        self._renewal = asyncio.create_task(self._renew(socket))

    async def _renew(self, socket: Any) -> None:
        with suppress(websockets.WebSocketException):  # the reader sees the same, and reconnects
            while True:
                await asyncio.sleep(KEEP_ALIVE)
                await self._subscribe(socket)

    async def _subscribe(self, socket: Any) -> None:
        codes = [yahoo_code(symbol, self.plan.market.yahoo_suffix) for symbol in self.plan.symbols]
        await socket.send(json.dumps({"subscribe": codes}))


def _is_pricing(frame: bytes) -> bool:
    return b'"pricing"' in frame
