"""Repairs of items: bars that have missed events are made again from the vendor's REST API, as `repair.py` does.

The events that arrived since the API's answer may end are in the raw events of the last minutes. A bar is written back
only if no consumer has folded anything into it in between; otherwise the next run tries again.
"""

from __future__ import annotations

import gzip
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec

from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.announcement import Announcement, new_fold
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.items import Item, ItemTable
from stockstream.pipeline.live.raw_events import ARRIVALS, RawEvent
from stockstream.pipeline.live.repair import AT_ONCE, mend
from stockstream.pipeline.live.sources.base import Feed

RECENT = timedelta(minutes=3)
"""Age up to which raw events are folded behind the API's answer, which lags by seconds."""
BUDGET = 20.0
"""Seconds after which no further repair begins."""
_line = msgspec.json.Decoder(RawEvent)


class ItemRepairs:
    """The repairs of a session; remembers in one process which symbols it has tried."""

    def __init__(self) -> None:
        self._not_before: dict[tuple[str, str], float] = {}

    def run(
        self, lake: Lake, table: ItemTable, announcement: Announcement, items: Mapping[str, Item], feed: Feed
    ) -> Counter[str]:
        """Repair the items that have missed events, those with most first; return the numbers by result.

        Raises:
            LakeError: the raw events or the items cannot be read or written.
        """
        session, now = announcement.session.date, time.monotonic()
        missed = {symbol: item.row.missed for symbol, item in items.items() if item.row.missed and item.row.missed > 0}
        due = [one for one in missed if self._not_before.get((session, one), 0.0) <= now]
        if not due or not feed.has_repair:
            return Counter()
        arrived = recent_events(lake, session, due)
        base = announcement.fold()

        def one(symbol: str) -> str:
            if time.monotonic() - now > BUDGET:
                return "postponed"
            self._not_before[session, symbol] = now + feed.repair_pause
            item = items[symbol]
            try:
                answer = feed.day_events(symbol)
            except SourceError as error:
                feed.notes["repair"] = str(error)
                return "failed"
            fold = new_fold(base)
            fold.kind, fold.bars = item.kind, {symbol: item.bar}
            events = [event for position, event in arrived.get(symbol, ()) if position <= item.row.memory.position]
            if not mend(fold, symbol, answer, events):
                return "too early"
            return "repaired" if table.replace(item, fold.bars[symbol]) else "overtaken"

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return Counter(pool.map(one, sorted(due, key=lambda symbol: -(missed[symbol] or 0))))


def recent_events(lake: Lake, session: str, symbols: Collection[str]) -> dict[str, list[tuple[str, Any]]]:
    """Return the events of symbols that arrived in the last minutes, with their positions and in that order."""
    listed_symbols = frozenset(symbols)
    rows: dict[tuple[str, str], RawEvent] = {}
    for key, listed in lake.store.list(f"{ARRIVALS}date={session}/").items():
        if listed.age > RECENT or (stored := lake.store.get(key)) is None:
            continue
        for line in gzip.decompress(stored.data).splitlines():
            row = _line.decode(line)
            if row.symbol in listed_symbols:
                rows[row.position, row.event] = row
    events: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for (position, text), row in sorted(rows.items()):
        events[row.symbol or ""] += [(position, event) for event in decode(f"[{text}]".encode(), Counter())]
    return events
