"""The tools: their arguments, what they answer from, and the words that a client lists."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import duckdb
import msgspec
from mcp.types import Tool, ToolAnnotations

from stockstream.analytics.agents import arguments, backtest
from stockstream.analytics.agents.answers import Answer, of_page
from stockstream.analytics.agents.catalogue import NOTES, Catalogue
from stockstream.analytics.serving import endpoints, parameters
from stockstream.analytics.serving.documents import checks_of
from stockstream.analytics.serving.formats import JSON
from stockstream.analytics.serving.generations import Generations, Served
from stockstream.analytics.serving.paging import place_of
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.sql import Sql
from stockstream.analytics.serving.sql_process import Order
from stockstream.analytics.serving.time_limit import TimeLimit

SECONDS = 30.0
"""Time of an answer that is computed in a thread; SQL and backtests have limits of their own."""
AT_ONCE = 2
T = TypeVar("T")


class Tools:
    """The tools on the generations of a lake, which have been started."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._catalogue = Catalogue(generations.lake.uri)
        self._sql = Sql(generations)
        self._limit = TimeLimit(SECONDS, lambda: None)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="answer")
        self._backtests = anyio.CapacityLimiter(1)

    async def stop(self) -> None:
        """End the processes and threads of queries."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._sql.stop()

    async def lake_help(self, query: arguments.Help) -> Answer:
        """List the tables and macros that `query` can read, or the columns of one, with units and examples."""
        served = self._generations.newest
        rows = await self._read(served, lambda: self._catalogue.rows(served, query.object))
        return Answer(generation=served.generation, rows=rows, notes=[] if query.object else NOTES)

    async def query(self, query: arguments.Query) -> Answer:
        """Run one SELECT in DuckDB's SQL on a read-only copy of the lake; call lake_help first for what there is."""
        served = self._generations.of(query.generation)
        outcome, body = await self._sql.run(served, Order(query.sql, query.limit, JSON.media, served.generation))
        answer = msgspec.json.decode(body, type=Answer)
        answer.is_truncated = outcome.is_truncated
        return answer

    async def bars(self, query: arguments.Bars) -> Answer:
        """Return bars (open, high, low, close, volume) by symbol and date, daily or of a longer timeframe."""
        served = self._of(query.generation, query.page_token)
        place = place_of(query.page_token) if query.page_token else None
        return await self._read(served, lambda: of_page(endpoints.bars(served, query, {}, place)))

    async def indicators(self, query: arguments.Indicators) -> Answer:
        """Return technical indicators of one symbol: those that the lake stores, or any by name (rsi_14, macd)."""
        served = self._of(query.generation, query.page_token)
        place = place_of(query.page_token) if query.page_token else None
        path = {"symbol": query.symbol}
        return await self._read(served, lambda: of_page(endpoints.indicators(served, query, path, place)))

    async def checks(self, query: arguments.Checks) -> Answer:
        """Return the findings of the data checks on a generation: what is wrong with the data, and how to mend it."""
        served = self._generations.of(query.generation)
        rows = await self._read(served, lambda: checks_of(self._generations.lake, served.generation)["checks"])
        notes = [] if rows else ["no checks have run on this generation: `stockstream check` runs them"]
        return Answer(generation=served.generation, rows=rows, notes=notes)

    async def backtest(self, query: arguments.Backtest) -> Answer:
        """Run a strategy that Stock Stream ships on the daily bars; return its figures, trades or equity."""
        served, cancelled = self._generations.of(query.generation), threading.Event()
        work = partial(backtest.run, self._generations.lake.uri, served, query, cancelled)
        try:
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._backtests)
        finally:
            cancelled.set()

    def _of(self, generation: int | None, token: str | None) -> Served:
        """Return the generation of a request, which that of its page token must be.

        Raises:
            Problem: they differ (422), or it is not served (404, 410).
        """
        if token is None:
            return self._generations.of(generation)
        number = place_of(token).generation
        if generation not in (None, number):
            raise Problem(422, f"page_token is of generation {number}, and the argument of generation {generation}")
        return self._generations.of(number)

    async def _read(self, served: Served, work: Callable[[], T]) -> T:
        """Return what a function computes in a thread; its query is stopped after the time, or with the request.

        Raises:
            Problem: it takes too long (503), or too much memory (413).
        """
        try:
            return await self._limit.run(served, work, self._threads)
        except duckdb.OutOfMemoryException:
            raise Problem(413, "the answer needs too much memory: ask for fewer symbols or days") from None


@dataclass(frozen=True)
class Entry:
    """A tool: its arguments, and the method that answers."""

    arguments: type[parameters.Query]
    answer: Callable[[Tools, Any], Awaitable[Answer]]

    @property
    def name(self) -> str:
        """The name of the tool."""
        return self.answer.__name__

    def described(self) -> Tool:
        """Return the tool as a client lists it."""
        return Tool(
            name=self.name,
            description=self.answer.__doc__,
            inputSchema=_schema(self.arguments),
            outputSchema=_schema(Answer),
            annotations=ToolAnnotations(readOnlyHint=True, idempotentHint=True, openWorldHint=False),
        )


TOOLS = {
    entry.name: entry
    for entry in (
        Entry(arguments.Help, Tools.lake_help),
        Entry(arguments.Query, Tools.query),
        Entry(arguments.Bars, Tools.bars),
        Entry(arguments.Indicators, Tools.indicators),
        Entry(arguments.Checks, Tools.checks),
        Entry(arguments.Backtest, Tools.backtest),
    )
}


def _schema(kind: type) -> dict[str, Any]:
    """Return the JSON schema of a type, whose root is an object as the protocol wants it."""
    (root,), parts = msgspec.json.schema_components([kind])
    name = root["$ref"].rpartition("/")[2]
    schema: dict[str, Any] = parts.pop(name)
    return schema | ({"$defs": parts} if parts else {})
