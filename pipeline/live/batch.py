"""A batch of records of a Kinesis stream, on its way into the table of live bars and to the raw events.

Nothing in a record may block those behind it: what cannot be read, or is of a day that no producer has announced, is
counted by reason and is in the raw events. A batch fails only if the table or the lake cannot be used; Lambda then
delivers the records from the first one whose events are not in the table, and the positions of the items recognise
those that are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.announcement import Announcements, new_fold
from stockstream.pipeline.live.events import KINDS, Status
from stockstream.pipeline.live.fold import WINDOW, Session
from stockstream.pipeline.live.items import ItemTable, UnwrittenError, position_in
from stockstream.pipeline.live.raw_events import RawEvent, arrival_key, prepare, put_arrivals
from stockstream.pipeline.live.records import parts
from stockstream.pipeline.markets import Market

EXPECTED = frozenset({"delivered again", "duplicate", "outside the session", "status"})
"""Reasons for which an event is not used although nothing is wrong with it."""


@dataclass(frozen=True)
class LogRecord:
    """A record of a shard."""

    sequence: str
    data: bytes
    arrived_at: int
    """Milliseconds since 1970, by the clock of the stream."""


@dataclass
class Outcome:
    """What became of a batch of one shard."""

    failed: str | None = None
    """Sequence number of the first record whose events are not all in the table; None: there is none."""
    failure: str | None = None
    events: int = 0
    bars: int = 0
    """Number of bars that were written."""
    counts: Counter[str] = field(default_factory=Counter)
    """Events that are not in a bar, by reason."""

    @property
    def rejected(self) -> dict[str, int]:
        """The events that something is wrong with, by reason."""
        return {reason: count for reason, count in sorted(self.counts.items()) if reason not in EXPECTED}


@dataclass
class _Sorted:
    """The contents of a batch by day."""

    events: dict[str, list[tuple[str, list[Any]]]] = field(default_factory=lambda: defaultdict(list))
    """Per announced session, the events of each record with its position."""
    raw: dict[str, list[RawEvent]] = field(default_factory=lambda: defaultdict(list))
    records: dict[str, str] = field(default_factory=dict)
    """The sequence number of a record by its position."""


class Batches:
    """Batches of a stream; `table` is that of the live bars, `client` one of DynamoDB with `items.CLIENT`."""

    def __init__(self, lake: Lake, market: Market, client: Any, table: str) -> None:
        self._lake, self._client, self._table = lake, client, table
        self._announcements = Announcements(lake, market)
        self._is_prepared = False

    def take(self, shard: str, records: Sequence[LogRecord]) -> Outcome:
        """Fold the records of a shard, in their order, and put their raw events."""
        outcome = Outcome()
        try:
            contents = self._sorted(shard, records, outcome)
            self._put_raw(shard, records, contents.raw)
        except LakeError as error:
            outcome.failed, outcome.failure = records[0].sequence, str(error)
            return outcome
        failed: list[str] = []
        for day, folded in sorted(contents.events.items()):
            failed += self._fold(day, folded, outcome)
        if failed:
            outcome.failed = contents.records[min(failed)]
        return outcome

    def _fold(self, day: str, records: Sequence[tuple[str, list[Any]]], outcome: Outcome) -> list[str]:
        """Fold the events of one session; return the position of the first record that is to be delivered again."""
        base = self._announcements.base(day)
        if base is None:  # it was there a moment ago
            outcome.counts["another day"] += sum(len(events) for _, events in records)
            return []
        names = base.names

        def symbol_of(name: str) -> str | None:
            return name if names is None else names.get(name)

        table = ItemTable(self._client, self._table, lambda: new_fold(base))
        failed: list[str] = []
        try:
            outcome.bars += len(table.fold_events(records))
        except UnwrittenError as error:
            outcome.failure = str(error)
            lost = error.symbols
            failed = [pos for pos, events in records if any(symbol_of(event.symbol) in lost for event in events)][:1]
        except LakeError as error:
            outcome.failure, failed = str(error), [records[0][0]]
        outcome.counts += table.counts
        return failed

    def _sorted(self, shard: str, records: Sequence[LogRecord], outcome: Outcome) -> _Sorted:
        """Return the contents of a batch by day, and count what is not of an announced one."""
        contents = _Sorted()
        for record in records:
            position = position_in(shard, record.sequence)
            contents.records[position] = record.sequence
            arrived_on = self._announcements.day_of(record.arrived_at) or "1970-01-01"
            events: dict[str, list[Any]] = defaultdict(list)
            for event, text in parts(record.data, outcome.counts):
                if isinstance(event, Status):
                    outcome.counts["status"] += 1
                    continue
                outcome.events += 1
                if isinstance(event, str):
                    raw = RawEvent(None, event, None, record.arrived_at, position, text.decode("utf-8", "replace"))
                    contents.raw[arrived_on].append(raw)
                    continue
                day = self._announcements.day_of(event.at)
                base = self._announcements.base(day) if day else None
                symbol = event.symbol if base is None or base.names is None else base.names.get(event.symbol)
                contents.raw[day if day and base else arrived_on].append(
                    RawEvent(
                        symbol or event.symbol,
                        _KIND[type(event)],
                        event.at,
                        record.arrived_at,
                        position,
                        text.decode("utf-8", "replace"),
                    )
                )
                if not day or base is None:
                    outcome.counts["another day"] += 1
                elif _is_too_new(event.at, record.arrived_at, base.session):
                    outcome.counts["ahead of the clock"] += 1
                else:
                    events[day].append(event)
            for day, some in events.items():
                contents.events[day].append((position, some))
        return contents

    def _put_raw(self, shard: str, records: Sequence[LogRecord], raw: Mapping[str, Sequence[RawEvent]]) -> None:
        if not self._is_prepared:
            prepare(self._lake.store)
            self._is_prepared = True
        first, last = records[0], records[-1]
        for day, events in raw.items():
            key = arrival_key(day, first.arrived_at, shard, first.sequence, last.sequence)
            put_arrivals(self._lake.store, key, events)


def _is_too_new(at: int, arrived_at: int, session: Session) -> bool:
    """Return whether an event is from the future, by the stream's clock: behind it, all others would be too late.

    A replay is put on another day than its own, where nothing can be said.
    """
    return session.day_from <= arrived_at < session.day_until and at > arrived_at + WINDOW


_KIND = {kind: tag for tag, kind in KINDS.items()}
