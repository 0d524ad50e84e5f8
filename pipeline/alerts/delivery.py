"""Delivering the alerts of one channel, in a thread of its own: attempts, pauses, digests, memory."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from stockstream.pipeline.alerts.channels import Channel, Failure, Message
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.outbox import Outbox
from stockstream.pipeline.alerts.pace import Pace
from stockstream.pipeline.retries import backoff

logger = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Alerts that wait for a channel. What comes in addition stays in the record, for `stockstream alerts send`."""
MAX_DIGEST = 1000
"""Alerts in a digest; the others are in the next one."""
MAX_PAUSE = 3600.0
"""Seconds: the longest pause that a receiver can request."""


@dataclass(frozen=True)
class Attempts:
    """How often delivering is tried."""

    maximum: int | None
    """Attempts per alert, and failures in a row after which all alerts are given up; None: until the notifier stops."""
    wait: float
    """Seconds before the second attempt; doubled before each further one."""
    wait_max: float


@dataclass
class Counts:
    """What a channel has done."""

    delivered: int = 0
    """Alerts that the receiver has accepted."""
    messages: int = 0
    digests: int = 0
    """Messages with several alerts."""
    retries: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Alerts that were given up, by reason; they stay in the record."""
    unrecorded: int = 0
    """Delivered alerts whose delivery could not be stored: the next process may deliver them again."""


@dataclass(eq=False)
class _Waiting:
    alert: Alert
    attempts: int = 0


class Worker:
    """The thread of a channel. `add` never blocks."""

    def __init__(self, channel: Channel, outbox: Outbox | None, attempts: Attempts) -> None:
        self.channel, self.counts = channel, Counts()
        self._outbox, self._attempts = outbox, attempts
        self._pace = Pace()
        self._waiting: list[_Waiting] = []
        self._unrecorded: list[str] = []
        """Identities of alerts whose delivery could not be stored."""
        self._failures_in_a_row = 0
        self._not_before = 0.0
        self._is_closing = self._is_stopped = False
        self._last_reason = ""
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"alerts-{channel.name}", daemon=True)
        self._thread.start()

    def add(self, alerts: Iterable[Alert]) -> None:
        """Let alerts be delivered."""
        with self._changed:
            for alert in alerts:
                if self._is_closing or len(self._waiting) >= MAX_WAITING:
                    reason = "the notifier is closed" if self._is_closing else f"{MAX_WAITING:,} alerts wait already"
                    self._give_up([_Waiting(alert)], reason)
                else:
                    self._waiting.append(_Waiting(alert))
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """The number of alerts that are not delivered yet, and not given up."""
        with self._changed:
            return len(self._waiting)

    def close(self) -> None:
        """Let the thread end when all alerts are delivered or given up; a digest is not waited for."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()

    def stop(self, deadline: float) -> None:
        """Wait for the end of the thread until a time of `time.monotonic`, then let it end after its request."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            self._is_stopped = True
            self._changed.notify()

    def _run(self) -> None:
        while (chosen := self._next()) is not None:
            waiting, is_digest = chosen
            messages = [Message(tuple(one.alert for one in waiting))] if is_digest else []
            self._deliver(waiting, messages or [Message((one.alert,)) for one in waiting], is_digest)

    def _next(self) -> tuple[list[_Waiting], bool] | None:
        """Wait for alerts that are due; return those of the next request, and whether they are a digest."""
        with self._changed:
            while not self._is_stopped:
                now = time.monotonic()
                count = len(self._waiting)
                is_digest = self.channel.has_digests and self._pace.is_digest(count, now) and count > 1
                if not count and self._is_closing:
                    break
                due = self._not_before
                if is_digest and not self._is_closing:
                    due = max(due, self._pace.due(count, now))
                if count and due <= now:
                    # Those with few attempts first, so that one which always fails does not delay the others.
                    self._waiting.sort(key=lambda one: one.attempts)
                    return self._waiting[: MAX_DIGEST if is_digest else self.channel.max_messages], is_digest
                self._changed.wait(due - now if count else None)
        self._remember([])
        return None

    def _deliver(self, waiting: list[_Waiting], messages: Sequence[Message], is_digest: bool) -> None:
        try:
            failures = self.channel.send(messages)
        except Exception as error:  # a defect of the channel must not end the thread
            logger.exception("the channel %s failed", self.channel.name)
            failures = dict.fromkeys(range(len(messages)), Failure(f"unexpected {type(error).__name__}", is_final=True))
        if is_digest and failures:
            failures = dict.fromkeys(range(len(waiting)), failures[0])
        delivered = [one for number, one in enumerate(waiting) if number not in failures]
        with self._changed:
            self._count(delivered, len(messages) - len({*failures} & {*range(len(messages))}), is_digest)
        self._remember([one.alert.identity for one in delivered])
        with self._changed:
            gone = {id(one) for one in delivered}
            self._waiting = [one for one in self._waiting if id(one) not in gone]
            for number, failure in failures.items():
                self._failed(waiting[number], failure)
            self._pause([failure for failure in failures.values() if not failure.is_final])

    def _count(self, delivered: list[_Waiting], messages: int, is_digest: bool) -> None:
        if delivered:
            self._pace.sent(len(delivered), is_digest, time.monotonic())
            self.counts.delivered += len(delivered)
            self.counts.messages += messages
            self.counts.digests += is_digest

    def _failed(self, one: _Waiting, failure: Failure) -> None:
        one.attempts += 1
        is_last = self._attempts.maximum is not None and one.attempts >= self._attempts.maximum
        if failure.is_final or is_last:
            self._waiting.remove(one)
            self._give_up([one], failure.reason)
        else:
            self.counts.retries += 1
            self._log(f"{failure.reason}; trying again")

    def _pause(self, failures: Sequence[Failure]) -> None:
        """Let the channel rest after a failure that may pass, as long as the receiver requests."""
        if not failures:
            self._failures_in_a_row, self._not_before = 0, 0.0
            return
        self._failures_in_a_row += 1
        if self._attempts.maximum is not None and self._failures_in_a_row >= self._attempts.maximum:
            waiting, self._waiting = self._waiting, []
            self._give_up(waiting, failures[0].reason)
            return
        pause = backoff(self._failures_in_a_row, self._attempts.wait, self._attempts.wait_max)
        requested = min(max(failure.after or 0.0 for failure in failures), MAX_PAUSE)
        self._not_before = time.monotonic() + max(pause, requested)

    def _give_up(self, waiting: Sequence[_Waiting], reason: str) -> None:
        if not waiting:
            return
        self.counts.failures[reason] += len(waiting)
        again = ": `stockstream alerts send` tries again" if self._outbox is not None else ""
        self._log(f"{reason}; not delivered{again}")

    def _log(self, text: str) -> None:
        """Log a warning, once as long as it stays the same."""
        if text != self._last_reason:
            logger.warning("alerts by %s: %s", self.channel.name, text)
        self._last_reason = text

    def _remember(self, identities: list[str]) -> None:
        """Store deliveries, and those that could not be stored before."""
        if self._outbox is None or not (outstanding := [*self._unrecorded, *identities]):
            return
        try:
            self._outbox.mark_delivered(outstanding, self.channel.name, datetime.now(UTC).isoformat(timespec="seconds"))
            outstanding = []
        except Exception as error:
            self._log(f"delivered, but the record cannot be written: {error}")
        with self._changed:
            self._unrecorded, self.counts.unrecorded = outstanding, len(outstanding)
