"""The board: what the source of live bars reports, and who receives it.

A source (`sources.py`, `shared.py`) publishes bars through the hub, and alerts and its state here; subscribers take
them. Everything runs in the thread of the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stockstream.analytics.serving.live.measures import Measures
from stockstream.analytics.serving.live.subscriber import Subscriber, event
from stockstream.analytics.serving.problems import Problem
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.hub import Hub

logger = logging.getLogger(__name__)

StateName = Literal["waiting", "streaming", "ended", "failed", "stopping"]


@dataclass(frozen=True)
class State:
    """What the source does."""

    state: StateName
    """waiting: for a session; streaming; ended: with the session or the recording; failed: and it will try again;
    stopping: the server ends."""
    source: str
    session: str | None = None
    """YYYY-MM-DD."""
    reason: str | None = None
    """Why it waits or has failed."""


@dataclass(frozen=True)
class Limits:
    """How many streams there may be."""

    streams: int = 1000
    per_caller: int = 100


class Board:
    """The live bars and alerts of one server, and their subscribers."""

    def __init__(self, source: str, limits: Limits | None = None) -> None:
        self.hub = Hub()
        self.state = State("waiting", source)
        self.alerts: list[Alert] = []
        """The alerts of the session, the oldest first."""
        self.measures = Measures()
        self.on_change: Callable[[], None] = lambda: None
        """Called when the state or the alerts have changed."""
        self._limits = limits or Limits()
        self._subscribers: dict[Subscriber, None] = {}
        self._per_caller: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self) -> None:
        """Take the running loop as the one of the board; `published` may then be called from other threads."""
        self._loop = asyncio.get_running_loop()

    def begin(self, fold: Fold, alerts: Iterable[Alert] = ()) -> None:
        """Go on with a session: its bars, and its alerts so far."""
        self.alerts = list(alerts)
        if self.hub.fold is not fold:
            self.hub.begin(fold)
        self.report("streaming", session=fold.session.date)

    def report(self, state: StateName, session: str | None = None, reason: str | None = None) -> None:
        """Change what the source does; the session stays as it is if none is named."""
        new = replace(self.state, state=state, session=session or self.state.session, reason=reason)
        self.measures.streaming.set(state == "streaming")
        if state == "failed":
            self.measures.failures.inc()
        if new != self.state:
            logger.log(
                logging.ERROR if state == "failed" else logging.INFO, "live bars of %s: %s", new.source, _text(new)
            )
            self.state = new
            self._note("status", new)
            self.on_change()

    def alerted(self, alerts: Sequence[Alert]) -> None:
        """Send new alerts of the session."""
        self.alerts += alerts
        for alert in alerts:
            self._note("alert", alert, alert.symbol)
        if alerts:
            self.on_change()

    def published(self, generation: int) -> None:
        """Send that a new generation is served. Any thread may call it."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._note, "generation", {"generation": generation})

    def _note(self, name: str, data: object, symbol: str | None = None) -> None:
        note = event(name, data)
        for subscriber in self._subscribers:
            subscriber.note(note, symbol)

    def subscribe(self, caller: str, symbols: Iterable[str], interval: float, last_event: str = "") -> Subscriber:
        """Return a subscriber, which begins with the state of the source and the bars that are there.

        Alerts after the event that it names as its last one follow.

        Raises:
            Problem: the caller, or all together, have too many streams (429, 503).
        """
        if len(self._subscribers) >= self._limits.streams:
            self.measures.refused.labels("all").inc()
            raise Problem(503, f"there are {self._limits.streams} streams, more are not served", {"Retry-After": "30"})
        if self._per_caller[caller] >= self._limits.per_caller:
            self.measures.refused.labels("caller").inc()
            reason = f"you have {self._limits.per_caller} streams: close one, or subscribe to more symbols in one"
            raise Problem(429, reason, {"Retry-After": "30"})
        subscriber = Subscriber(self, caller, self.hub.subscribe(symbols), interval)
        subscriber.note(event("status", self.state), None)
        for alert in self.alerts:
            if last_event and alert.at > last_event:
                subscriber.note(event("alert", alert), alert.symbol)
        self._subscribers[subscriber] = None
        self._per_caller[caller] += 1
        self.measures.streams.inc()
        return subscriber

    def remove(self, subscriber: Subscriber, reason: str) -> None:
        """End a subscriber, with the reason for the metrics."""
        if self._subscribers.pop(subscriber, subscriber) is None:
            subscriber.bars.close()
            self._per_caller[subscriber.caller] -= 1
            self._per_caller += Counter()  # drops callers without streams
            self.measures.streams.dec()
            self.measures.closed.labels(reason).inc()

    def stop(self) -> None:
        """End all streams, each with a last event."""
        self.report("stopping")
        for subscriber in list(self._subscribers):
            subscriber.end("stopped")

    @property
    def last_event(self) -> str:
        """The identity of the newest event: the time of the newest alert. Bars need none, as the newest are sent."""
        return self.alerts[-1].at if self.alerts else "0"

    def summary(self) -> str:
        """Return the state in a line, for `/health`."""
        return _text(self.state)


def _text(state: State) -> str:
    parts = [state.state, *([state.session] if state.session else []), *([f"({state.reason})"] if state.reason else [])]
    return " ".join(parts)
