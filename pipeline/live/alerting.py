"""Alerts in a stream: when the rules run, and on what.

While a feed is running they run every second, in a thread, on a copy of the bars; the clock is that of the machine. In
a replay the clock is that of the events, and the fold waits for the rules, so that a recording has the same alerts at
any speed of the machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from stockstream.pipeline.alerts.evaluation import FeedState
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.session import SessionAlerts
from stockstream.pipeline.live.bar import SCALE, Bar
from stockstream.pipeline.live.fold import Session

INTERVAL = 1.0
"""Seconds between evaluations of a feed that is running."""
REPLAY_STEP = 60.0
"""Seconds of a recording, at most, between evaluations."""
MAX_SHARE = 0.05
"""The share of time that evaluations may take; if they take more, they become rarer."""


class StreamAlerts:
    """The alerts of a stream. `note` and `snapshot` are called where the fold changes, `evaluate` anywhere."""

    def __init__(self, alerts: SessionAlerts, session: Session, source: str, replay_speed: float | None) -> None:
        """`replay_speed` is that of a replay (0: as fast as possible); None: the feed is running."""
        self.alerts = alerts
        self._session, self._source = session, source
        self.is_replay = replay_speed is not None
        self._step = round(1000 * min(REPLAY_STEP, max(1.0, replay_speed or REPLAY_STEP)))
        self._clock = 0
        """The newest event in the session, in milliseconds."""
        self._silence = 0
        """The longest time without an event since the last evaluation, in milliseconds; of a replay."""
        self._arrived = max(time.time(), session.opens / 1000)
        """When the last frame with events came."""
        self._missed_since: float | None = None
        self._next_step = 0
        self._next_time = time.monotonic() + INTERVAL

    def note(self, changed: dict[str, Bar], events: Sequence[Any]) -> None:
        """Take note of a frame that was folded: of its events, and of the bars that it has changed."""
        if self.is_replay:
            self._advance(events)
            return
        if events:
            self._arrived = time.time()
        if changed and (at := next(reversed(changed.values())).at) > self._clock:
            self._clock = at

    def _advance(self, events: Sequence[Any]) -> None:
        """Move the clock of a replay, and measure the longest time of the session between events."""
        clock, opens, closes = self._clock, self._session.opens, self._session.closes
        for event in events:
            at = getattr(event, "at", 0)
            if at > clock and opens <= at < closes:
                if clock and at - clock > self._silence:
                    self._silence = at - clock
                clock = at
        self._clock = clock

    def warm_up(self) -> None:
        """Import and execute everything once, so that it does not stall the stream later."""
        table_of(columns_of(()), self._session.date, self._source)

    @property
    def is_due(self) -> bool:
        """Whether the rules are to run now."""
        if self.is_replay:
            return self._clock >= self._next_step
        return time.monotonic() >= self._next_time

    def snapshot(self, bars: Collection[Bar]) -> tuple[dict[str, list[Any]], FeedState]:
        """Return the bars with events as columns, and the state of the feed."""
        traded = [bar for bar in bars if bar.events]
        if not self._clock and traded:  # restored bars
            self._clock = max(bar.at for bar in traded)
        missed = [one for bar in traded if (one := bar.missed)]
        now = self._clock / 1000 if self.is_replay else time.time()
        lacking = [one for one in missed if one > 0]
        self._missed_since = (self._missed_since or now) if lacking else None
        feed = FeedState(
            clock=now,
            newest=self._clock / 1000 if self._clock else None,
            silent_seconds=self._silent(now),
            symbols=len(traded),
            missed=sum(lacking),
            symbols_missed=len(lacking),
            missed_seconds=now - self._missed_since if self._missed_since is not None else 0.0,
        )
        self._silence = 0
        self._next_step = (self._clock // self._step + 1) * self._step
        return columns_of(traded), feed

    def evaluate(self, columns: Mapping[str, list[Any]], feed: FeedState) -> list[Alert]:
        """Run the rules on a snapshot; return the new alerts.

        Raises:
            LakeError: the lake cannot be read or written.
        """
        began = time.monotonic()
        new = self.alerts.evaluate(feed, table_of(columns, self._session.date, self._source))
        ended = time.monotonic()
        self._next_time = ended + max(INTERVAL, (ended - began) / MAX_SHARE)
        return new

    async def run(self, bars: Collection[Bar]) -> list[Alert]:
        """Take a snapshot, and run the rules on it in a thread."""
        return await asyncio.to_thread(self.evaluate, *self.snapshot(bars))

    def _silent(self, now: float) -> float:
        """Return for how many seconds of the session no event has come."""
        if self.is_replay:
            return self._silence / 1000
        until = min(now, self._session.closes / 1000)
        return max(0.0, until - max(self._arrived, self._session.opens / 1000))


def columns_of(bars: Collection[Bar]) -> dict[str, list[Any]]:
    """Return bars as columns: a copy, which another thread can read while the fold goes on."""
    return {
        "symbol": [bar.symbol for bar in bars],
        "open": [bar.open for bar in bars],
        "high": [bar.high for bar in bars],
        "low": [bar.low for bar in bars],
        "close": [bar.close for bar in bars],
        "volume": [bar.volume / SCALE for bar in bars],
        "previous_close": [bar.previous_close for bar in bars],
        "split_ratio": [bar.split_ratio for bar in bars],
        "change": [bar.change for bar in bars],
        "change_percent": [bar.change_percent for bar in bars],
        "moving_average": [bar.moving_average for bar in bars],
        "at": [bar.at for bar in bars],
        "missed": [bar.missed for bar in bars],
        "late": [bar.late for bar in bars],
        "events": [bar.events for bar in bars],
    }


def table_of(columns: Mapping[str, list[Any]], session: str, source: str) -> Any:
    """Return columns as an Arrow table with the columns of the view `live`; `at` is in milliseconds."""
    import pyarrow as pa

    rows = len(columns["symbol"])
    now = datetime.now(UTC).replace(tzinfo=None)
    day = datetime.fromisoformat(session).date()
    types = {"symbol": pa.string(), "at": pa.timestamp("ms"), "late": pa.int64(), "events": pa.int64()}
    arrays = {name: pa.array(values, types.get(name, pa.float64())) for name, values in columns.items()}
    names = ["symbol", "session", *list(arrays)[1:], "source", "saved_at"]
    arrays |= {
        "session": pa.repeat(pa.scalar(day, pa.date32()), rows),
        "source": pa.repeat(pa.scalar(source), rows),
        "saved_at": pa.repeat(pa.scalar(now, pa.timestamp("us")), rows),
    }
    return pa.table({name: arrays[name] for name in names})
