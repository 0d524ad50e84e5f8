"""Events on their way into a stream: packed into records per symbol, in the order of the symbol's events.

A stream promises the order of two records of a symbol only if the second is put after the first has succeeded. So a
request has at most one record of a symbol, and a symbol with a record under way waits; its events are packed together
meanwhile. What a request did not put goes back to the head of the symbol's events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from stockstream.pipeline.live.records import packed

MAX_RECORDS = 500
"""Records of one request, a quota of Kinesis."""
MAX_REQUEST = 5 * 2**20
"""Bytes of one request, with the partition keys."""
MAX_RECORD = 2**20
"""Bytes of one record, with its partition key."""
_FRAME = 2
"""Bytes of a frame beside its events and their commas."""


@dataclass(frozen=True)
class Parcel:
    """A record that is under way."""

    symbol: str
    texts: list[bytes]

    @property
    def data(self) -> bytes:
        """The record's contents."""
        return packed(self.texts)


class Parcels:
    """The events that are not in the stream yet, by symbol."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[bytes]] = {}
        self._collected: dict[str, None] = {}
        """The symbols whose events may be sent; the others are collected for a while, so that records are few."""
        self._under_way: dict[str, Parcel] = {}
        self.size = 0
        """Bytes of all events that are not in the stream."""
        self.events = 0

    def add(self, symbol: str, text: bytes) -> bool:
        """Add an event; return False if it is too large for a record."""
        if len(text) + _FRAME + len(symbol.encode()) > MAX_RECORD:
            return False
        self._waiting.setdefault(symbol, deque()).append(text)
        self.size += len(text)
        self.events += 1
        return True

    def collect(self) -> None:
        """Let the events that wait now be sent."""
        self._collected |= dict.fromkeys(self._waiting)

    def take(self) -> list[Parcel]:
        """Return the records of the next request, one per symbol; none if all that is collected is under way."""
        parcels: list[Parcel] = []
        total = 0
        for symbol in self._collected:
            if symbol in self._under_way:
                continue
            texts = self._waiting[symbol]
            room = min(MAX_RECORD, MAX_REQUEST - total) - _FRAME - len(symbol.encode())
            if len(parcels) == MAX_RECORDS or len(texts[0]) > room:
                break
            chosen: list[bytes] = []
            while texts and len(texts[0]) <= room:
                room -= len(texts[0]) + 1
                chosen.append(texts.popleft())
            parcel = Parcel(symbol, chosen)
            total += len(parcel.data) + len(symbol.encode())
            parcels.append(parcel)
        for parcel in parcels:
            self._under_way[parcel.symbol] = parcel
            if not self._waiting[parcel.symbol]:
                del self._waiting[parcel.symbol], self._collected[parcel.symbol]
        return parcels

    def put(self, parcel: Parcel) -> None:
        """Note that a record is in the stream."""
        del self._under_way[parcel.symbol]
        self.size -= sum(map(len, parcel.texts))
        self.events -= len(parcel.texts)

    def failed(self, parcel: Parcel) -> None:
        """Note that a record is not in the stream: its events are the symbol's next ones again."""
        del self._under_way[parcel.symbol]
        self._waiting.setdefault(parcel.symbol, deque()).extendleft(reversed(parcel.texts))
        self._collected[parcel.symbol] = None

    def left(self) -> Iterator[tuple[str, bytes]]:
        """Yield the events that are not in the stream, with their symbols."""
        for symbol, parcel in self._under_way.items():
            yield from ((symbol, text) for text in parcel.texts)
        for symbol, texts in self._waiting.items():
            yield from ((symbol, text) for text in texts)
