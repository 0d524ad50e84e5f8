"""Repair: a bar that has missed events is made again from the vendor's REST API, through the same fold.

The answer contains the aggregates of the whole day. They replace what the bar has folded; the events that arrived since
the request was planned are folded behind them, where the window of identities recognises those that the answer has.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.live.bar import Bar
from stockstream.pipeline.live.fold import UNITS, Fold
from stockstream.pipeline.live.sources.base import Feed

AT_ONCE = 8
"""Requests that are under way together."""


def mend(fold: Fold, name: str, answer: Iterable[Any], arrived: Iterable[Any]) -> bool:
    """Replace a bar by one from the answer of the REST API and the events that arrived since; return whether it did.

    The old bar stays if the new one does not have less missed, because the answer ends too early.
    """
    old = fold.bars[name]
    unit = UNITS.get(fold.kind, 1) if fold.kind else 1
    scratch = Fold(fold.session, None, kind=fold.kind)
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


class Repairs:
    """The repairs of a stream: which bars need one, and when each was last tried."""

    def __init__(self, fold: Fold, feed: Feed) -> None:
        self._fold, self._feed = fold, feed
        self._not_before: dict[str, float] = {}
        self.counts: Counter[str] = Counter()

    def due(self) -> list[str]:
        """Return the feed's names of the bars that have missed events and may be tried now."""
        now = time.monotonic()
        names = (name for name, bar in self._fold.bars.items() if bar.missed and bar.missed > 0)
        return [name for name in names if self._not_before.get(name, 0.0) <= now]

    async def run(self, names: Iterable[str]) -> None:
        """Repair some bars: the requests are sent by threads, and the fold is changed by the thread of the loop.

        A gap of a second concerns all symbols: they wait for the REST API together, not a few at a time.
        """
        listed, limit = list(names), asyncio.Semaphore(AT_ONCE)
        for name in listed:
            self._fold.watched[name] = []
        try:
            await asyncio.sleep(self._feed.repair_delay)
            await asyncio.gather(*(self._one(name, limit) for name in listed))
        finally:
            for name in listed:
                self._fold.watched.pop(name, None)

    async def _one(self, name: str, limit: asyncio.Semaphore) -> None:
        async with limit:
            if not self._fold.bars[name].missed:  # its events were only late
                return
            self._not_before[name] = time.monotonic() + self._feed.repair_pause
            await self._request(name)

    async def _request(self, name: str) -> None:
        try:
            answer = await asyncio.to_thread(self._feed.day_events, self._fold.bars[name].symbol)
        except SourceError as error:
            self.counts["failed"] += 1
            self._feed.notes["repair"] = str(error)
            return
        self.counts["repaired" if mend(self._fold, name, answer, self._fold.watched[name]) else "too early"] += 1
