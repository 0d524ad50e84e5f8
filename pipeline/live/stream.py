"""The stream of a session in one process: source → journal → fold → state, and repairs.

The reader only reads, into a bounded queue. Everything that changes the fold runs in the thread of the event loop; the
store is written, and the REST API asked, in other threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import LIVE, Lake, live_key
from stockstream.pipeline.live.alerting import StreamAlerts
from stockstream.pipeline.live.bar import SCALE, Bar
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.fold import WINDOW, Fold
from stockstream.pipeline.live.hub import Hub
from stockstream.pipeline.live.journal import Journal, open_journal
from stockstream.pipeline.live.lease import RENEWAL, Lease, LeaseTakenError
from stockstream.pipeline.live.repair import Repairs
from stockstream.pipeline.live.sources import Feed
from stockstream.pipeline.live.sources.base import MARK
from stockstream.pipeline.live.state import StateTable, forget_old_sessions, restore, snapshot

QUEUE = 4096
"""Frames that may wait. A reader that finds the queue full waits: the vendor then slows down or disconnects."""
BATCH = 512
"""Frames that are folded before other tasks get their turn."""
SAVE_SECONDS = {"folder": 2.0, "s3": 10.0}
SAVE_SECONDS_PER_BAR = 0.0005
"""Minimum interval of saves per bar: a state of 10,000 bars costs a tenth of a second of CPU time, every 5 s."""
SYNC_SECONDS = 2.0
UNKNOWN_SHOWN = 20


@dataclass
class Stream:
    """A stream: `run` it once. `source` is the text of the command line, kept in the state."""

    lake: Lake
    feed: Feed
    fold: Fold
    source: str
    report: Callable[[dict[str, Any]], None] | None = None
    """Called now and then with the status."""
    on_alerts: Callable[[list[Alert]], None] = lambda alerts: None
    """Called with the new alerts after each evaluation of the rules."""
    ends_at: float | None = None
    """Time since 1970 at which the stream ends by itself; None: when the source ends."""
    alerts: StreamAlerts | None = None
    """The alert rules, which run on the bars; None: none."""
    hub: Hub = field(default_factory=Hub)
    """Who receives the bars: those that subscribed before the stream, or begin while it runs."""
    events: int = 0
    position: str = ""
    state_key: str | None = None
    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))

    def __post_init__(self) -> None:
        session = self.fold.session.date
        self.fold.kind = self.fold.kind or self.feed.kind
        self.states = StateTable(self.lake, session)
        self.repairs = Repairs(self.fold, self.feed)
        self.hub.begin(self.fold)
        self.leases = [Lease(self.lake.store, live_key(session, "lease.json"), f"the session {session}")]
        if self.feed.has_lease:
            self.leases.append(vendor_lease(self.lake, self.feed))
        self.journal: Journal
        self._has_leases = True
        self._began = time.monotonic()
        self._save_seconds = SAVE_SECONDS["s3" if self.lake.uri.startswith("s3://") else "folder"]
        self._every = {
            "save": self._save_seconds,
            "sync": SYNC_SECONDS,
            "renew": RENEWAL,
            "repair": 1.0,
            "alerts": 0.0,
            "report": 0.5,
        }
        self._due: dict[str, float] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def prepare(self, restart: bool = False) -> None:
        """Take the leases, and continue from the state and the journal that an earlier process left.

        Raises:
            LeaseTakenError: another process streams this session, or has the vendor's connection.
            UsageError: the session has been streamed from another source.
            LakeError: the lake cannot be read or written.
        """
        for lease in self.leases:
            lease.acquire()
        try:
            self._restore(restart)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """End the leases."""
        for lease in self.leases:
            lease.release()

    def _restore(self, restart: bool) -> None:
        session = self.fold.session.date
        if restart:
            self.states.discard(except_for=("lease.json", "alerts/"))  # a replay alerts about nothing twice
        state = self.states.load()
        if state is not None:
            is_other = self.feed.is_replay or state.source.startswith(("replay:", "dynamodb:"))
            if state.source != self.source and is_other:  # its positions, or its events, are others
                raise UsageError(
                    f"the live bars of {session} are from {state.source}: --restart deletes them and begins again"
                )
            restore(self.fold, state)
            self.position = state.position
            self.feed.marks = dict(state.marks)
        self.journal = open_journal(self.lake, session, self.position)
        for position, frame in self.journal.read(self.position):
            self._fold(position, frame)
        forget_old_sessions(self.lake)

    async def run(self, stop: asyncio.Event) -> dict[str, Any]:
        """Stream until the source ends, the session is over, or `stop` is set; return the last status.

        Raises:
            SourceError: the source refuses.
            LakeError: the lake cannot be written, or another process has taken the lease.
        """
        self._due = {name: time.monotonic() + seconds for name, seconds in self._every.items()}
        self.hub.begin(self.fold)  # with what was restored
        reader = asyncio.create_task(self._read())
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set() and not self._is_over():
                frame = await self._next(reader, stopped)
                if frame is None and reader.done() and self.queue.empty():
                    reader.result()
                    break
                await self._take(frame)
                self._tend()
        finally:
            for task in (reader, stopped, *self._tasks.values()):
                if task is not self._tasks.get("save"):
                    task.cancel()
            await asyncio.gather(reader, stopped, *self._tasks.values(), return_exceptions=True)
            try:
                if self._has_leases:  # otherwise another process has gone on from the last state
                    await self._save()
                    await self._alert()
                if self.alerts is not None:
                    await asyncio.to_thread(self.alerts.alerts.close)
            finally:
                self.release()
        return self.status()

    async def _read(self) -> None:
        try:
            async for frame in self.feed.frames(self.journal.end if self.feed.is_replay else 0):
                await self.queue.put(frame)
        finally:
            if not self.queue.full():
                self.queue.put_nowait(None)  # wakes the loop

    async def _next(self, reader: asyncio.Task[None], stopped: asyncio.Task[Any]) -> bytes | None:
        """Return the next frame; None if there is none for a while, or the stream is to stop."""
        if not self.queue.empty():
            await asyncio.sleep(0)
            return self.queue.get_nowait()
        try:
            return await asyncio.wait_for(self.queue.get(), 0.1)
        except TimeoutError:
            return None

    async def _take(self, frame: bytes | None) -> None:
        """Journal and fold a frame and those that wait behind it."""
        frames = [] if frame is None else [frame]
        while len(frames) < BATCH and not self.queue.empty():
            if (one := self.queue.get_nowait()) is not None:
                frames.append(one)
        if not self.feed.is_replay:
            self.fold.until = self._until()
        positions = [self.journal.append(one) for one in frames]
        self.journal.flush()
        changed: dict[str, Bar] = {}
        for position, one in zip(positions, frames, strict=True):
            changed.update(self._fold(position, one))
            if self.alerts is not None and self.alerts.is_replay and self.alerts.is_due:
                await self._alert()
        self.hub.publish(changed)

    def _until(self) -> int:
        """Return the time from which an event is too new: after it, all others would be older than the window."""
        session, now = self.fold.session, round(1000 * time.time())
        is_today = session.day_from <= now < session.day_until
        return min(now + WINDOW, session.day_until) if is_today else session.day_until

    def _fold(self, position: str, frame: bytes) -> dict[str, Bar]:
        """Fold a frame; return the bars that changed."""
        if self.feed.is_log and frame.startswith(MARK):
            part, _, mark = decode(frame, self.fold.counts)[0].message.partition(" ")
            self.feed.marks[part] = mark
            self.position = position
            return {}
        events = decode(frame, self.fold.counts)
        self.events += len(events)
        changed = self.fold.apply(position, events)
        self.position = position
        if self.alerts is not None:
            self.alerts.note(changed, events)
        return changed

    def _tend(self) -> None:
        """Start what is due; raise what a task of this kind has failed with."""
        self._start("renew", self._renew)
        self._start("save", self._save)
        if self.lake.uri.startswith("s3://"):
            self._start("sync", lambda: asyncio.to_thread(self.journal.sync))
        if self.feed.has_repair:
            self._start("repair", self._repair)
        if self.alerts is not None and not self.alerts.is_replay and self.alerts.is_due:
            self._start("alerts", self._alert)
        if self.report is not None and time.monotonic() >= self._due["report"]:
            self._due["report"] = time.monotonic() + self._every["report"]
            self.report(self.status())

    def _start(self, name: str, work: Callable[[], Any]) -> None:
        task = self._tasks.get(name)
        if task is not None and task.done():
            task.result()
        if (task is None or task.done()) and time.monotonic() >= self._due[name]:
            self._due[name] = time.monotonic() + self._every[name]
            self._tasks[name] = asyncio.create_task(work())

    async def _save(self) -> None:
        """Save the state, then delete the frames of the journal that it contains."""
        position = self.position
        self._every["save"] = max(self._save_seconds, len(self.fold.bars) * SAVE_SECONDS_PER_BAR)
        marks = dict(self.feed.marks)
        state = await snapshot(self.fold, self.source, position)
        state.marks = marks
        await asyncio.to_thread(self.journal.sync)
        self.state_key = await asyncio.to_thread(self.states.save, state)
        self.journal.trim(position)

    async def _renew(self) -> None:
        try:
            for lease in self.leases:
                await asyncio.to_thread(lease.renew)
        except LeaseTakenError:
            self._has_leases = False
            raise

    async def _repair(self) -> None:
        if names := self.repairs.due():
            await self.repairs.run(names)
            self.hub.publish({name: self.fold.bars[name] for name in names})

    async def _alert(self) -> None:
        if self.alerts is not None:
            self.on_alerts(await self.alerts.run(self.fold.bars.values()))

    def _is_over(self) -> bool:
        return self.ends_at is not None and time.time() >= self.ends_at

    def status(self) -> dict[str, Any]:
        """Return the numbers of the stream so far."""
        bars = [bar for bar in self.fold.bars.values() if bar.events]
        missed = [bar.missed for bar in bars if bar.missed]  # negative if the vendor has taken volume back
        newest = max((bar.at for bar in bars), default=0)
        elapsed = time.monotonic() - self._began
        return {
            "session": self.fold.session.date,
            "source": self.source,
            "events": self.events,
            "events_per_second": round(self.events / elapsed, 1) if elapsed else 0.0,
            "lag_seconds": None if self.feed.is_replay or not newest else round(time.time() - newest / 1000, 3),
            "symbols": len(bars),
            "volume": sum(bar.volume for bar in bars) / SCALE,
            "missed": sum(shares for shares in missed if shares > 0),
            "symbols_with_missed": len(missed),
            "late": sum(bar.late for bar in bars),
            "not_used": dict(sorted(self.fold.counts.items())),
            "unknown_symbols": sorted(self.fold.unknown)[:UNKNOWN_SHOWN],
            "repairs": dict(self.repairs.counts),
            "connection": {**self.feed.stats, **self.feed.notes},
            "alerts": self.alerts.alerts.status() if self.alerts is not None else None,
            "queue": self.queue.qsize(),
            "position": self.position,
            "state": self.lake.store.uri(self.state_key) if self.state_key else None,
        }


def vendor_lease(lake: Lake, feed: Feed) -> Lease:
    """Return the lease on the one connection that a vendor allows."""
    return Lease(lake.store, f"{LIVE}connections/{feed.name}.json", f"the connection to {feed.name}")


def end_of(status: dict[str, Any]) -> str:
    """Return how a stream has ended: complete, or partial.

    It is partial if events are missed or were not put, frames could not be read, no event was of a symbol, an alert
    rule is wrong, or alerts were not delivered.
    """
    alerts = status["alerts"] or {"errors": (), "delivery": {}}
    undelivered = any(report["waiting"] or report["failed"] for report in alerts["delivery"].values())
    lacks = {"malformed frame", "not put"} & status["not_used"].keys()
    is_useless = status["events"] and not status["symbols"]
    is_partial = status["symbols_with_missed"] or lacks or is_useless or alerts["errors"] or undelivered
    return "partial" if is_partial else "complete"
