"""`yahoo-poll`: Yahoo's chart API through yfinance, one symbol after the other, every 30 seconds.

A list that takes longer stretches the interval: the status of the stream has it as `interval_seconds`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

from stockstream.pipeline.errors import RateLimited, SourceError, UsageError
from stockstream.pipeline.live.events import Day
from stockstream.pipeline.live.sources.base import Feed, Plan
from stockstream.pipeline.live.yahoo_day import YahooDays

INTERVAL = 30.0
"""Seconds from the beginning of a round to that of the next."""
REFUSED_WAIT = 60.0
"""Seconds before the next request after HTTP 429."""


@dataclass
class YahooPoll(Feed):
    """Rounds of requests; `pause` is the number of seconds between two symbols, `url` a proxy or replay of Yahoo."""

    name = "yahoo-poll"
    kind = Day
    pause: float = 2.0
    url: str | None = None
    interval: float = INTERVAL
    refused_wait: float = REFUSED_WAIT

    @classmethod
    def open(cls, argument: str, plan: Plan) -> Self:
        """Return the source with the settings of the source of bars `yahoo`."""
        from stockstream.pipeline.sources.yahoo import YahooSettings  # imports yfinance, which takes a second

        if argument:
            raise UsageError(f"--source yahoo-poll:{argument}: the source yahoo-poll has no argument")
        values = YahooSettings.read()
        return cls(plan, pause=values.pause, url=values.url)

    async def frames(self, skip: int = 0) -> AsyncIterator[bytes]:
        """Yield a frame per symbol and round, without end."""
        if not self.plan.symbols:
            raise SourceError("yahoo-poll asks only for named symbols: write --symbols, or fill the lake first")
        self.notes["interval_seconds"] = max(self.interval, self.pause * len(self.plan.symbols))
        days = YahooDays(self.plan.market, self.plan.session, self.pause, self.url)
        while True:
            began = time.monotonic()
            for symbol in self.plan.symbols:
                next_request = time.monotonic() + self.pause
                if (frame := await self._frame(days, symbol)) is not None:
                    yield frame
                await asyncio.sleep(max(0.0, next_request - time.monotonic()))
            self.stats["rounds"] += 1
            took = time.monotonic() - began
            self.notes["interval_seconds"] = round(max(self.interval, took), 1)
            await asyncio.sleep(max(0.0, self.interval - took))

    async def _frame(self, days: YahooDays, symbol: str) -> bytes | None:
        """Return the day so far of a symbol as a frame; None if Yahoo has none."""
        try:
            report = await asyncio.to_thread(days.report, symbol)
        except RateLimited as error:
            self.stats["refused"] += 1
            self.notes["last_failure"] = str(error)
            await asyncio.sleep(self.refused_wait)
            return None
        except SourceError as error:
            self.stats["failed"] += 1
            self.notes["last_failure"] = f"{symbol}: {error}"
            return None
        if report is None:
            self.stats["without_bars"] += 1
            return None
        return json.dumps([report]).encode()
