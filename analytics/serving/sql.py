"""SQL over HTTP: `POST /v1/sql` runs one SELECT of a caller on a serving file, each in a process of its own.

The process (`sql_process.py`) is the defence, with the lock-down of DuckDB in it (`lockdown.py`). One process waits for
the next query, so that a query need not wait for one.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stockstream.analytics.serving import parameters
from stockstream.analytics.serving.bodies import form_of
from stockstream.analytics.serving.formats import accepted
from stockstream.analytics.serving.generations import Generations, Served
from stockstream.analytics.serving.openapi import SQL
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.sql_process import READY, SECONDS, TOO_MUCH, Order, Outcome

logger = logging.getLogger(__name__)

WAIT_SECONDS = 60.0
"""Time on a clock after which a query ends, however little CPU time it had."""
START_SECONDS = 120.0
AT_ONCE, WAITING = 2, 8
"""Queries that run at the same time, and that may wait for that."""
TOO_LONG = f"the query takes longer than {SECONDS} s of CPU time: ask for less"


class Sql:
    """The queries of callers, on the generations of a lake."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._spare: tuple[Path, asyncio.Future[Process]] | None = None
        self._running: set[Process] = set()

    def routes(self) -> list[Route]:
        """Return the routes of the endpoint."""
        return [Route(path, self.answer, methods=["POST"]) for path in (SQL, "/v1/@{generation:int}/sql")]

    async def answer(self, request: Request) -> Response:
        """Answer a request with the rows of its query."""
        form = accepted(request.headers.get("accept", ""))
        query = parameters.parsed(parameters.Sql, form_of(request))
        served = self._generations.of(request.path_params.get("generation"))
        outcome, body = await self.run(served, Order(query.sql, query.limit, form.media, served.generation))
        headers = {
            "Cache-Control": "no-store",
            "X-Generation": str(served.generation),
            "X-Truncated": str(outcome.is_truncated).lower(),
        }
        return Response(body, headers=headers, media_type=form.media)

    async def run(self, served: Served, order: Order) -> tuple[Outcome, bytes]:
        """Return the rows of a query as a body.

        Raises:
            Problem: it is refused or wrong, takes too much (422, 413), or too many wait (429).
        """
        outcome, body = await self._outcome(served, order)
        if outcome.status != 200:
            raise Problem(outcome.status, outcome.reason, parameter="sql")
        return outcome, body

    async def stop(self) -> None:
        """End all processes."""
        await self._drop()
        for process in list(self._running):
            await self._end(process)

    async def _outcome(self, served: Served, order: Order) -> tuple[Outcome, bytes]:
        if self._slots.locked() and self._waiting >= WAITING:
            raise Problem(429, "too many queries wait: ask again", {"Retry-After": str(SECONDS)})
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        process, is_unused = None, False
        try:
            process = await self._process(served)
            async with asyncio.timeout(WAIT_SECONDS):
                outcome, body = await _ask(process, order)
            is_unused = outcome.is_unused
            return outcome, body
        except TimeoutError:
            return Outcome(422, TOO_LONG), b""
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await process.wait() if process is not None else None
            logger.warning("the process of a query has ended with %s", code)
            is_late = code in (-signal.SIGXCPU, -signal.SIGKILL)
            return Outcome(*((422, TOO_LONG) if is_late else (413, TOO_MUCH))), b""
        finally:
            self._slots.release()
            if process is not None:
                await self._finish(served, process, is_unused)

    async def _process(self, served: Served) -> Process:
        """Return a process that is ready for a query."""
        if self._spare is not None and self._spare[0] == served.path:
            (_, waiting), self._spare = self._spare, None
            process = await waiting
            if process.returncode is None:
                return process
        return await self._started(served)

    async def _finish(self, served: Served, process: Process, is_unused: bool) -> None:
        """End a process after its query, and see that there is one for the next."""
        if self._spare is not None and self._spare[0] != served.path:
            await self._drop()
        if is_unused and self._spare is None:
            waiting = asyncio.get_running_loop().create_future()
            waiting.set_result(process)
            self._spare = served.path, waiting
            return
        await self._end(process)
        if self._spare is None:
            self._spare = served.path, asyncio.create_task(self._started(served))

    async def _drop(self) -> None:
        """End the process for the next query."""
        if self._spare is None:
            return
        (_, waiting), self._spare = self._spare, None
        waiting.cancel()
        await asyncio.wait({waiting})
        if not waiting.cancelled() and waiting.exception() is None:
            await self._end(waiting.result())

    async def _started(self, served: Served) -> Process:
        module = "stockstream.analytics.serving.sql_process"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-X",
            "utf8",
            "-m",
            module,
            str(served.path),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={},
        )
        self._running.add(process)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                if await process.stdout.readline() == READY:
                    return process
        except BaseException:
            await self._end(process)
            raise
        await self._end(process)
        raise Problem(503, "the process for the query does not start", {"Retry-After": "5"})

    async def _end(self, process: Process) -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()
        self._running.discard(process)


async def _ask(process: Process, order: Order) -> tuple[Outcome, bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(order) + b"\n")
    await process.stdin.drain()
    line = await process.stdout.readline()
    if not line:
        raise asyncio.IncompleteReadError(b"", None)
    outcome = msgspec.json.decode(line, type=Outcome)
    return outcome, await process.stdout.readexactly(outcome.length)
