"""The time that an answer may take to compute: a query over it is interrupted, so that its thread serves others.

The time begins with the request, so that one that waits for a thread of the pool ends, too.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Generic, TypeVar

from duckdb import DuckDBPyConnection

from stockstream.analytics.serving.generations import Served
from stockstream.analytics.serving.problems import Problem

logger = logging.getLogger(__name__)
T = TypeVar("T")
AGAIN_SECONDS = 0.05
"""DuckDB forgets an interruption that arrives between two queries of an answer, so it is repeated."""


class TimeLimit:
    """Runs work on generations in threads for at most `seconds`; `count` is called for each that takes longer."""

    def __init__(self, seconds: float, count: Callable[[], None]) -> None:
        self.seconds, self._count = seconds, count

    async def run(self, served: Served, work: Callable[[], T], pool: Executor | None = None) -> T:
        """Return what `work` computes with the cursors of a generation, in a thread of a pool (None: the loop's).

        Raises:
            Problem: it takes too long, or no thread has been free for so long (503).
        """
        job, loop = _Job(served, work), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.seconds) as limit:
                return await loop.run_in_executor(pool, job.run)
        except TimeoutError:
            if not limit.expired():  # it is the work's own
                raise
            self._count()
            if job.has_begun:
                logger.warning("an answer has taken longer than %g s", self.seconds)
                raise Problem(503, f"the answer takes longer than {self.seconds:g} s: ask for less") from None
            reason = f"the server has been busy with other requests for {self.seconds:g} s: ask again"
            raise Problem(503, reason, {"Retry-After": "5"}) from None
        finally:
            _end(loop, job)


class _Job(Generic[T]):
    """Work on the cursor of a thread; the lock keeps its end from interrupting the thread's next work."""

    def __init__(self, served: Served, work: Callable[[], T]) -> None:
        self._served, self._work = served, work
        self._lock = threading.Lock()
        self._cursor: DuckDBPyConnection | None = None
        self.has_begun = False

    def run(self) -> T:
        """Return what the work computes."""
        with self._lock:
            self.has_begun, self._cursor = True, self._served.cursor
        try:
            return self._work()
        finally:
            with self._lock:
                self._cursor = None

    def interrupt(self) -> bool:
        """Interrupt the query that runs; return whether the work goes on."""
        with self._lock:
            if self._cursor is not None:
                self._cursor.interrupt()
            return self._cursor is not None


def _end(loop: asyncio.AbstractEventLoop, job: _Job[T]) -> None:
    """Interrupt a job until it has ended."""
    if job.interrupt():
        loop.call_later(AGAIN_SECONDS, _end, loop, job)
