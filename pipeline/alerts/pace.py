"""When alerts are sent one by one, and when they are collected for a digest."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf

MAX_ALERTS = 20
"""Alerts per minute and channel that are sent one by one."""
WINDOW = 60.0
"""Seconds; at most one digest is sent in this time."""


@dataclass
class Pace:
    """The pace of a channel. Times are seconds of a clock that never goes back."""

    _times: deque[float] = field(default_factory=deque)
    """Of the alerts sent within the last minute, at most `MAX_ALERTS` of them."""
    _digest: float = -inf

    def is_digest(self, count: int, now: float) -> bool:
        """Return whether `count` alerts that wait make more than `MAX_ALERTS` with those of the last minute."""
        while self._times and self._times[0] <= now - WINDOW:
            self._times.popleft()
        return len(self._times) + count > MAX_ALERTS

    def due(self, count: int, now: float) -> float:
        """Return when they may be sent: now, or a minute after the last digest."""
        return max(now, self._digest + WINDOW) if self.is_digest(count, now) else now

    def sent(self, count: int, is_digest: bool, now: float) -> None:
        """Note that `count` alerts were sent."""
        self._times.extend([now] * min(count, MAX_ALERTS - len(self._times)))
        if is_digest:
            self._digest = now
