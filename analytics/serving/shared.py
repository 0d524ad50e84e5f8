"""What several servers share in Redis: the connection, the buckets of the callers, and tickets.

While Redis does not answer, each server goes on with what it has itself, says so in `/health` and the metrics, and
tries again after a pause that grows: no request waits for a server that is down. A caller may then send its number of
requests to each server, and a ticket is good only where it was made.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from stockstream.analytics.serving.buckets import Buckets
from stockstream.analytics.serving.keys import Key
from stockstream.analytics.serving.tickets import SECONDS, Tickets
from stockstream.sql.errors import UsageError

logger = logging.getLogger(__name__)

TIMEOUT = 0.5
"""Seconds in which Redis must answer."""
FIRST_PAUSE, MAX_PAUSE = 0.5, 15.0
"""Seconds without Redis after a failure."""
FAILURES = (RedisError, OSError, TimeoutError)
Result = TypeVar("Result")

BUCKET = """
local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + interval
local wait = full_at - now - burst * interval
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return 0
"""
"""The algorithm of `buckets.py`, in microseconds of Redis' clock; a script runs alone: no token is taken twice."""


class Shared:
    """The connection to Redis; `name` distinguishes the lakes that use one Redis."""

    def __init__(self, url: str, name: str) -> None:
        try:
            self.redis = Redis.from_url(
                url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
            )
        except ValueError as error:
            raise UsageError(f"--redis: {error}; write redis://HOST:PORT/0") from None
        self.prefix = f"stockstream:{name}:"
        self.fault: str | None = None
        """Why Redis is not used at the moment; None: it is."""
        self.failures = 0
        self._next, self._pause = 0.0, FIRST_PAUSE

    async def use(self, work: Callable[[Redis], Awaitable[Result]]) -> Result | None:
        """Return the result of some work with Redis; None if it fails, or has failed a moment ago."""
        if self.fault is not None and time.monotonic() < self._next:
            return None
        if self.fault is not None:
            self._next = time.monotonic() + self._pause  # one request tries; the others go on
        try:
            result = await work(self.redis)
        except FAILURES as error:
            self.failed(error)
            return None
        self.succeeded()
        return result

    def failed(self, error: Exception) -> None:
        """Go on without Redis for a while."""
        reason = str(error) or type(error).__name__
        if self.fault is None:
            logger.error("without Redis: %s; each server has its own buckets until it answers", reason)
            self._pause = FIRST_PAUSE
        self.fault, self.failures = reason, self.failures + 1
        self._next = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, MAX_PAUSE)

    def succeeded(self) -> None:
        """Use Redis again."""
        if self.fault is not None:
            logger.info("Redis answers again")
        self.fault = None

    def summary(self) -> str:
        """Return the state for `/health`."""
        return "ok" if self.fault is None else f"fault: {self.fault}"

    def buckets(self, rate: float, burst: int) -> Buckets:
        """Return the buckets of the callers of all servers."""
        return SharedBuckets(rate, burst, self)

    def tickets(self) -> Tickets:
        """Return the tickets of all servers."""
        return SharedTickets(self)

    async def close(self) -> None:
        """Close the connection."""
        await self.redis.aclose()


class SharedBuckets(Buckets):
    """Buckets that all servers fill and empty together."""

    def __init__(self, rate: float, burst: int, shared: Shared) -> None:
        super().__init__(rate, burst)
        self._shared, self._arguments = shared, (round(1e6 / rate), burst)
        self._script = shared.redis.register_script(BUCKET)

    async def take(self, caller: str) -> float:
        """Take a token as `Buckets.take` does, of the bucket in Redis."""

        async def taken(redis: Redis) -> int:
            return int(await self._script([f"{self._shared.prefix}bucket:{caller}"], self._arguments))

        waiting = await self._shared.use(taken)
        return await super().take(caller) if waiting is None else waiting / 1e6


class SharedTickets(Tickets):
    """Tickets that are good on all servers, once."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._shared = shared

    async def issue(self, key: Key) -> str:
        """Return a ticket as `Tickets.issue` does, and put it into Redis."""
        ticket = await super().issue(key)
        text = json.dumps([key.name, sorted(key.scopes)])
        await self._shared.use(lambda redis: redis.set(self._place(ticket), text, ex=SECONDS))
        return ticket

    async def redeem(self, ticket: str) -> Key | None:
        """Return for whom a ticket is as `Tickets.redeem` does; it is taken out of Redis."""
        kept: Any = await self._shared.use(lambda redis: redis.getdel(self._place(ticket)))
        own = await super().redeem(ticket)
        if kept is None:  # used, over, or Redis was not there when it was made
            return own if self._shared.fault is not None else None
        name, scopes = json.loads(kept)
        return Key(name, "", frozenset(scopes))

    def _place(self, ticket: str) -> str:
        return f"{self._shared.prefix}ticket:{ticket}"
