"""Token buckets: how many requests a caller may send.

A bucket holds `burst` tokens, gets `rate` more per second, and a request takes one. Reference: the generic cell rate
algorithm, which keeps of a bucket only the time at which it is full again (ITU-T I.371, annex A).
"""

from __future__ import annotations

import time
from collections import OrderedDict

MAX_BUCKETS = 100_000


class Buckets:
    """The buckets of the callers of one process."""

    def __init__(self, rate: float, burst: int) -> None:
        self._interval, self._burst = 1 / rate, burst
        self._full_at: OrderedDict[str, float] = OrderedDict()

    async def take(self, caller: str) -> float:
        """Take a token of a caller's bucket and return 0; otherwise the seconds until there is one."""
        return self.wait(caller)

    def wait(self, caller: str, now: float | None = None) -> float:
        """Take a token of a caller's bucket and return 0; otherwise the seconds until there is one."""
        now = time.monotonic() if now is None else now
        full_at = max(self._full_at.pop(caller, now), now) + self._interval
        waiting = full_at - now - self._burst * self._interval
        self._full_at[caller] = full_at if waiting <= 1e-9 * self._interval else full_at - self._interval
        while len(self._full_at) > MAX_BUCKETS:
            self._full_at.popitem(last=False)
        return max(waiting, 0.0) if waiting > 1e-9 * self._interval else 0.0
