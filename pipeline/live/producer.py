"""The producer: source → records of a Kinesis stream, for consumers that fold them (`batch.py`, source `kinesis`).

Its only state in the lake is the vendor's lease and the announcement of the session. It loses nothing while the stream
is slow: events wait, up to `MAX_WAITING` bytes, then the reader waits, and the vendor. What a killed process had not
put is missed, and consumers see that by the day's volume. Two producers are harmless: events have identities.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.announcement import announce
from stockstream.pipeline.live.events import Day, Status, Trade
from stockstream.pipeline.live.facts import Facts, names_of
from stockstream.pipeline.live.lease import RENEWAL, LeaseTakenError
from stockstream.pipeline.live.parcels import Parcel, Parcels
from stockstream.pipeline.live.records import parts
from stockstream.pipeline.live.sink import SENDERS, Sink
from stockstream.pipeline.live.sources import Feed
from stockstream.pipeline.live.stream import BATCH, QUEUE, UNKNOWN_SHOWN, vendor_lease

LINGER = 1.0
"""Seconds that the events of a symbol are collected for one record."""
MAX_WAITING = 32 * 2**20
"""Bytes of events that may wait for the stream."""
FLUSH = 15.0
"""Seconds at the end in which what still waits is put; the rest is missed."""
FIRST_WAIT = 0.1
MAX_WAIT = 5.0
MAX_KEY = 256
"""Characters of a partition key, a quota of Kinesis."""


@dataclass
class Producer:
    """A producer: `run` it once. `source` is the text of the command line, `symbols` are those to be put."""

    lake: Lake
    feed: Feed
    facts: Facts
    symbols: Iterable[str]
    source: str
    sink: Sink
    linger: float = LINGER
    ends_at: float | None = None
    """Time since 1970 at which the producer ends by itself; None: when the source ends."""
    report: Callable[[dict[str, Any]], None] | None = None
    """Called now and then with the status."""
    events: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))

    def __post_init__(self) -> None:
        self._names = names_of(self.symbols, self.feed.plan.market) or None
        self._lease = vendor_lease(self.lake, self.feed) if self.feed.has_lease else None
        self._parcels = Parcels()
        self._seen: set[str] = set()
        self._unknown: set[str] = set()
        self._newest = 0
        self._failures = 0
        self._missed: dict[str, float] = {}
        self._senders: set[asyncio.Task[None]] = set()
        self._renewal: asyncio.Task[None] | None = None
        self._began = time.monotonic()
        self._due: dict[str, float] = {}

    def prepare(self, restart: bool = False) -> None:
        """Take the vendor's lease, and announce the session; there is nothing to begin again.

        Raises:
            LeaseTakenError: another process has the vendor's connection.
            LakeError: there is no such stream, or the lake cannot be written.
        """
        self.sink.check()
        if self._lease is not None:
            self._lease.acquire()
        try:
            announce(self.lake, self.feed.plan, self.source, self.facts, self.symbols)
        except BaseException:
            self._release()
            raise

    async def run(self, stop: asyncio.Event) -> dict[str, Any]:
        """Put the source's events until it ends, the session is over, or `stop` is set; return the last status.

        Raises:
            SourceError: the source refuses.
            LakeError: the stream refuses, or another process has taken the lease.
        """
        self._due = {"collect": 0.0, "send": 0.0, "renew": time.monotonic() + RENEWAL, "report": 0.0}
        reader = asyncio.create_task(self._read())
        stopped = asyncio.create_task(stop.wait())
        try:
            try:
                while not stop.is_set() and not self._is_over():
                    if reader.done() and self.queue.empty():
                        reader.result()
                        break
                    await self._turn()
            finally:
                for task in (reader, stopped):
                    task.cancel()
                await asyncio.gather(reader, stopped, return_exceptions=True)
                await self._flush()
        finally:
            if self._renewal is not None:
                await asyncio.gather(self._renewal, return_exceptions=True)
            self._release()
        return self.status()

    async def _read(self) -> None:
        try:
            async for frame in self.feed.frames():
                await self.queue.put(frame)
        finally:
            if not self.queue.full():
                self.queue.put_nowait(None)  # wakes the loop

    async def _turn(self) -> None:
        """Take what has arrived, and start what is due."""
        if self._parcels.size >= MAX_WAITING:
            await asyncio.sleep(0.02)  # the reader waits at the full queue
        elif self.queue.empty():
            try:
                frame = await asyncio.wait_for(self.queue.get(), 0.05)
            except TimeoutError:
                frame = None
            self._take([frame] if frame is not None else [])
        else:
            await asyncio.sleep(0)
            frames = [self.queue.get_nowait() for _ in range(min(BATCH, self.queue.qsize()))]
            self._take([frame for frame in frames if frame is not None])
        self._tend()

    def _take(self, frames: list[bytes]) -> None:
        """Let the events of frames wait for the stream."""
        session = self.feed.plan.session
        for frame in frames:
            for event, text in parts(frame, self.counts):
                if isinstance(event, str):
                    continue
                if isinstance(event, Status):
                    self.counts["status"] += 1
                    continue
                self.events += 1
                symbol = event.symbol if self._names is None else self._names.get(event.symbol)
                if not symbol or len(symbol) > MAX_KEY:
                    self.counts["unknown symbol"] += 1
                    self._unknown.add(event.symbol[:MAX_KEY])
                elif session is not None and not session.day_from <= event.at < session.day_until:
                    self.counts["another day"] += 1
                elif not self._parcels.add(symbol, text):
                    self.counts["event too large"] += 1
                else:
                    self._seen.add(symbol)
                    self._newest = max(self._newest, event.at)

    def _tend(self) -> None:
        """Send what has been collected, renew the lease, report; raise what a task has failed with."""
        now = time.monotonic()
        self._finish_tasks()
        if now >= self._due["collect"]:
            self._due["collect"] = now + self.linger
            self._parcels.collect()
        if now >= self._due["send"]:
            self._send()
        if self._lease is not None and self._renewal is None and now >= self._due["renew"]:
            self._due["renew"] = now + RENEWAL
            self._renewal = asyncio.create_task(asyncio.to_thread(self._lease.renew))
        if self.report is not None and now >= self._due["report"]:
            self._due["report"] = now + 0.5
            self.report(self.status())

    def _finish_tasks(self) -> None:
        if self._renewal is not None and self._renewal.done():
            renewal, self._renewal = self._renewal, None
            try:
                renewal.result()
            except LeaseTakenError:
                self._lease = None
                raise
        for sender in [one for one in self._senders if one.done()]:
            self._senders.discard(sender)
            sender.result()

    def _send(self) -> None:
        """Start requests with what has been collected, as many as may be under way."""
        while len(self._senders) < SENDERS and (parcels := self._parcels.take()):
            self._senders.add(asyncio.create_task(self._put(parcels)))

    async def _put(self, parcels: list[Parcel]) -> None:
        """Put records; those that were refused wait again."""
        failed = parcels
        try:
            failed = await asyncio.to_thread(self.sink.put, parcels)
        finally:
            refused = {parcel.symbol for parcel in failed}
            for parcel in parcels:
                (self._parcels.failed if parcel.symbol in refused else self._parcels.put)(parcel)
        self._failures = self._failures + 1 if failed else 0
        if failed:
            wait = min(FIRST_WAIT * 2 ** min(self._failures, 10), MAX_WAIT) * random.uniform(0.5, 1.0)
            self._due["send"] = time.monotonic() + wait

    async def _flush(self) -> None:
        """Put what still waits; what is not in the stream at the end is missed."""
        try:
            self._take(list(iter(self._left_in_queue, None)))
            self._due["send"] = 0.0
            end = time.monotonic() + FLUSH
            while self._parcels.events and time.monotonic() < end:
                self._finish_tasks()
                if time.monotonic() >= self._due["send"]:
                    self._parcels.collect()
                    self._send()
                await asyncio.sleep(0.01)
            await asyncio.gather(*self._senders)
        finally:
            await asyncio.gather(*self._senders, return_exceptions=True)
            for symbol, text in self._parcels.left():
                ((event, _),) = parts(b"[" + text + b"]", Counter())
                self.counts["not put"] += 1
                shares = event.size if isinstance(event, Trade) else event.volume
                lost = 0 if isinstance(event, Day) else shares  # a later report of the day heals it
                self._missed[symbol] = self._missed.get(symbol, 0.0) + lost

    def _left_in_queue(self) -> bytes | None:
        """Return the next frame that waits in the queue; None at its end."""
        while not self.queue.empty():
            if (frame := self.queue.get_nowait()) is not None:
                return frame
        return None

    def _release(self) -> None:
        if self._lease is not None:
            self._lease.release()

    def _is_over(self) -> bool:
        return self.ends_at is not None and time.time() >= self.ends_at

    def status(self) -> dict[str, Any]:
        """Return the numbers so far: those of a stream, and `put`; `missed` is what could not be put."""
        elapsed = time.monotonic() - self._began
        session = self.feed.plan.session
        is_now = not self.feed.is_replay and self._newest
        notes = {"last_failure": self.sink.last_failure} if self.sink.last_failure else {}
        return {
            "session": session.date if session else None,
            "source": self.source,
            "to": f"kinesis:{self.sink.stream}",
            "events": self.events,
            "events_per_second": round(self.events / elapsed, 1) if elapsed else 0.0,
            "lag_seconds": round(time.time() - self._newest / 1000, 3) if is_now else None,
            "symbols": len(self._seen),
            "missed": sum(self._missed.values()),
            "symbols_with_missed": len(self._missed),
            "not_used": dict(sorted(self.counts.items())),
            "unknown_symbols": sorted(self._unknown)[:UNKNOWN_SHOWN],
            "connection": {**self.feed.stats, **self.feed.notes},
            "alerts": None,
            "put": {**self.sink.counts, **notes},
            "waiting": self._parcels.events,
            "queue": self.queue.qsize(),
        }
