"""`yahoo-poll`: Yahoo's chart API through yfinance, one symbol after the other, every 30 seconds.

A list that takes longer stretches the interval: the status of the stream has it as `interval_seconds`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Any, Self

from stockstream.pipeline.errors import RateLimited, SourceError, UsageError
from stockstream.pipeline.live.events import Day
from stockstream.pipeline.live.sources.base import Feed, Plan
from stockstream.pipeline.symbols import yahoo_code

INTERVAL = 30.0
"""Seconds from the beginning of a round to that of the next."""
TIMEOUT = 30.0
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
        while True:
            began = time.monotonic()
            for symbol in self.plan.symbols:
                next_request = time.monotonic() + self.pause
                if (frame := await self._frame(symbol)) is not None:
                    yield frame
                await asyncio.sleep(max(0.0, next_request - time.monotonic()))
            self.stats["rounds"] += 1
            took = time.monotonic() - began
            self.notes["interval_seconds"] = round(max(self.interval, took), 1)
            await asyncio.sleep(max(0.0, self.interval - took))

    async def _frame(self, symbol: str) -> bytes | None:
        """Return the day so far of a symbol as a frame; None if Yahoo has none."""
        try:
            report = await asyncio.to_thread(self._report, symbol)
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

    def _report(self, symbol: str) -> dict[str, Any] | None:
        """Request the day so far: an event of the kind D; None if Yahoo has no bar of the session."""
        from stockstream.pipeline.yahoo_api import history

        session, market = self.plan.session, self.plan.market
        if session is None:
            raise SourceError("yahoo-poll needs a session")
        day = date.fromisoformat(session.date)
        code = yahoo_code(symbol, market.yahoo_suffix)
        answer = history(code, day, day, market.timezone, TIMEOUT, self.url)
        if answer is None or answer[0].empty:
            return None
        bars, chart = answer
        if bars.index[-1].date() != day:
            return None
        bar, meta = bars.iloc[-1], chart.get("meta", {})
        price = _finite(meta.get("regularMarketPrice")) or _finite(bar["Close"])
        at = meta.get("regularMarketTime")
        if price is None or not isinstance(at, int):
            return None
        values = {"o": bar["Open"], "h": bar["High"], "l": bar["Low"], "v": bar["Volume"]}
        values["pc"] = meta.get("chartPreviousClose")
        numbers = {name: number for name, value in values.items() if (number := _finite(value)) is not None}
        return {"ev": "D", "sym": code, "p": price, "t": 1000 * at, **numbers}


def _finite(value: Any) -> float | None:
    """Return a number as JSON has it; None for NaN, infinity and what is no number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None
