"""Repair: a bar that has missed events is made again from the vendor's REST API, through the same fold.

The answer contains the aggregates of the whole day. They replace what the bar has folded; the events that arrived since
the request was planned are folded behind them, where the window of identities recognises those that the answer has.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.live.bar import MAX_PRICE, MAX_VOLUME, SCALE, Bar
from stockstream.pipeline.live.events import Day, Second
from stockstream.pipeline.live.fold import UNITS, WINDOW, Fold
from stockstream.pipeline.live.sources.base import Feed

AT_ONCE = 8
"""Requests that are under way together."""
PER_RUN = 400
"""Symbols of a run, which begins with a wait for the REST API."""


def mend(fold: Fold, name: str, answer: Iterable[Any], arrived: Iterable[Any]) -> bool:
    """Replace a bar by one from the answer of the REST API and the events that arrived since; return whether it did.

    The old bar stays if the new one does not have less missed, because the answer ends too early.
    """
    old = fold.bars[name]
    unit = UNITS.get(fold.kind, 1) if fold.kind else 1
    scratch = Fold(fold.session, None, kind=fold.kind)
    scratch.until = fold.until  # what was refused as ahead of the clock is refused here, too
    new = Bar(old.symbol, old.previous_close, old.split_ratio)
    # An aggregate behind the newest event is still to arrive, with the day's volume that includes it.
    for event in sorted((one for one in answer if one.at <= old.last * unit), key=lambda one: one.at):
        scratch.fold(new, event)
    for event in arrived:
        scratch.fold(new, event)
    if old.day_open and new.events:
        new.open_officially(old.day_open)
    new.total, new.late, new.position = old.total, old.late, old.position
    if new.missed is None or old.missed is None or abs(new.missed) >= abs(old.missed) or new.last < old.last:
        return False
    fold.bars[name] = new
    return True


def mend_by_day(fold: Fold, name: str, day: Day) -> bool:
    """Let a bar include the day so far by another source; return whether it changed.

    Of aggregates, the volume grows to the other source's, at most to what the feed reports for the day. Events of the
    past that still come are in it: they count as duplicates.
    """
    bar = fold.bars[name]
    if fold.kind is Day:
        return fold.fold(bar, day)
    is_possible = 0 < day.low <= min(day.open, day.price) and max(day.open, day.price) <= day.high < MAX_PRICE
    if bar.total is None or not bar.events or not is_possible or not 0 < day.volume < MAX_VOLUME:
        return False
    volume = min(round(day.volume * SCALE), bar.total - bar.outside)
    if volume <= bar.volume:
        return False
    bar.volume = volume
    bar.trade_at(day.high, day.low)
    bar.open = bar.day_open or day.open
    bar.seen = (1 << WINDOW // UNITS[fold.kind or Second]) - 1
    return True


class Repairs:
    """The repairs of a stream: which bars need one, and when each was last tried."""

    def __init__(self, fold: Fold, feed: Feed) -> None:
        self._fold, self._feed = fold, feed
        self._not_before: dict[str, float] = {}
        self._connections = 1
        self._closing: dict[str, int] = {}
        """Of reports of the day: the newest report per bar when the feed was connected again."""
        self._requests = asyncio.Semaphore(AT_ONCE)
        self.counts: Counter[str] = Counter()

    def due(self) -> list[str]:
        """Return the feed's names of the bars that have missed events and may be tried now."""
        now = time.monotonic()
        if self._fold.kind is Day:
            return self._after_reconnect()
        names = (name for name, bar in self._fold.bars.items() if bar.total and bar.total > bar.outside + bar.volume)
        return list(islice((name for name in names if self._not_before.get(name, 0.0) <= now), PER_RUN))

    def _after_reconnect(self) -> list[str]:
        """Return the names of the bars of which a report may have been lost; empty without a new connection."""
        connections = self._feed.stats["connections"]
        if connections > self._connections:
            self._connections = connections
            self._closing = {name: bar.closing for name, bar in self._fold.bars.items() if bar.events}
        names = list(islice(self._closing, PER_RUN))
        return [name for name in names if self._fold.bars[name].closing == self._closing.pop(name)]

    async def run(self, names: Iterable[str]) -> None:
        """Repair some bars: the requests are sent by threads, and the fold is changed by the thread of the loop.

        A gap of a second concerns all symbols: they wait for the REST API together, not a few at a time.
        """
        listed = list(names)
        for name in listed:
            self._fold.watched[name] = []
        try:
            closing = {name: self._fold.bars[name].closing for name in listed}
            await asyncio.sleep(self._feed.repair_delay)
            if self._fold.kind is Day:  # a report that has come is as good
                listed = [name for name in listed if self._fold.bars[name].closing == closing[name]]
            await asyncio.gather(*(self._one(name) for name in listed))
        finally:
            self._fold.watched.clear()

    async def _one(self, name: str) -> None:
        """Repair one bar.

        A gap of a second concerns all symbols, and some of their events are only late: then nothing is requested.
        """
        async with self._requests:
            if self._fold.kind is not Day and not self._fold.bars[name].missed:
                return
            self._not_before[name] = time.monotonic() + self._feed.repair_pause
            await self._request(name)

    async def _request(self, name: str) -> None:
        symbol = self._fold.bars[name].symbol
        try:
            if self._fold.kind is not Day:
                answer = await asyncio.to_thread(self._feed.day_events, symbol)
                is_mended = mend(self._fold, name, answer, self._fold.watched[name])
                self.counts["repaired" if is_mended else "too early"] += 1
                return
        except SourceError as error:
            self.counts["failed"] += 1
            self._feed.notes["repair"] = str(error)
        try:
            day = await asyncio.to_thread(self._feed.day_so_far, symbol)
        except SourceError as error:
            self.counts["failed"] += 1
            self._feed.notes["repair"] = str(error)
            return
        is_mended = day is not None and mend_by_day(self._fold, name, day)
        self.counts["repaired by the day" if is_mended else "too early"] += 1
