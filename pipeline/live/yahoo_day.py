"""The day of a symbol so far from Yahoo's chart API: what `yahoo-poll` asks for, and what repairs other bars."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date
from math import isfinite
from threading import Lock
from typing import Any

import msgspec

from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.live.events import Day
from stockstream.pipeline.live.fold import Session
from stockstream.pipeline.markets import Market
from stockstream.pipeline.symbols import yahoo_code

TIMEOUT = 30.0


@dataclass
class YahooDays:
    """Requests for the days of symbols, `pause` seconds apart; `url` is that of a proxy or replay of Yahoo."""

    market: Market
    session: Session | None
    pause: float = 2.0
    url: str | None = None
    _lock: Lock = field(default_factory=Lock, repr=False)
    _not_before: float = 0.0

    def report(self, symbol: str) -> dict[str, Any] | None:
        """Return the day so far as an event of the kind D in JSON; None if Yahoo has no bar of the session.

        Raises:
            SourceError: Yahoo refuses, or has no answer.
        """
        from stockstream.pipeline.yahoo_api import history  # imports yfinance, which takes a second

        if self.session is None:
            raise SourceError("Yahoo's day so far is that of a session, and there is none")
        day = date.fromisoformat(self.session.date)
        code = yahoo_code(symbol, self.market.yahoo_suffix)
        answer = history(code, day, day, self.market.timezone, TIMEOUT, self.url)
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

    def day(self, symbol: str) -> Day | None:
        """Return the day so far, not earlier than `pause` seconds after the request before.

        Raises:
            SourceError: Yahoo refuses, or has no answer.
        """
        with self._lock:
            time.sleep(max(0.0, self._not_before - time.monotonic()))
            self._not_before = time.monotonic() + self.pause
            report = self.report(symbol)
        return None if report is None else msgspec.convert(report, Day)


def _finite(value: Any) -> float | None:
    """Return a number as JSON has it; None for NaN, infinity and what is no number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None
