"""The server: requests of the Model Context Protocol on standard input, answers on standard output."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from importlib.metadata import version
from typing import IO, Any

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import CallToolResult, Tool

from stockstream.analytics.agents.answers import failure, result
from stockstream.analytics.agents.tools import TOOLS, Tools
from stockstream.analytics.serving.backtests.redaction import without_paths
from stockstream.analytics.serving.parameters import parsed
from stockstream.analytics.serving.problems import Problem
from stockstream.sql.errors import StockStreamError, did_you_mean

logger = logging.getLogger(__name__)

MAX_LINE = 1_000_000
"""Bytes of a request; the rest of a longer one is left out: it is no JSON, which the log says."""
MAX_WAITING = 8
"""Requests that have been read and not begun; a client that sends more waits."""
INSTRUCTIONS = (
    "Bars of stocks, as published in generations; each answer names its generation. Begin with lake_help. Prices: "
    "split: in today's shares; all: dividends are in the prices; raw: as traded. Nothing here changes the lake."
)


def server_of(tools: Tools) -> Server[Any, Any]:
    """Return the server with the tools."""
    server: Server[Any, Any] = Server("stockstream", version("stock-stream"), INSTRUCTIONS)

    @server.list_tools()  # type: ignore[no-untyped-call, untyped-decorator]
    async def listed() -> list[Tool]:
        return [entry.described() for entry in TOOLS.values()]

    @server.call_tool(validate_input=False)  # type: ignore[untyped-decorator]
    async def called(name: str, arguments: dict[str, Any]) -> CallToolResult:
        return await _answer(tools, name, arguments)

    return server


async def _answer(tools: Tools, name: str, arguments: dict[str, Any]) -> CallToolResult:
    """Return the answer of a tool, or an error that says what to do and nothing of this machine."""
    try:
        if (entry := TOOLS.get(name)) is None:
            raise Problem(
                404, f"there is no tool {name}{did_you_mean(name, TOOLS) or ''}; there are {', '.join(TOOLS)}"
            )
        return result(await entry.answer(tools, parsed(entry.arguments, arguments.items())))
    except Problem as problem:
        return failure(without_paths(problem.detail))
    except StockStreamError as error:
        logger.error("%s: %s", name, error)
        return failure("the lake cannot be read at the moment: try again later")
    except Exception:
        logger.exception("%s failed", name)
        return failure("an error that the log of the server describes")


async def serve(tools: Tools, requests: IO[bytes], answers: IO[str]) -> None:
    """Answer requests until there are no more, or nothing reads the answers.

    Raises:
        OSError: the answers cannot be written, for another reason than that the client has ended.
    """
    server, fault = server_of(tools), None
    try:
        async with stdio_server(_Lines(requests), anyio.wrap_file(answers)) as (reader, writer):  # type: ignore[arg-type]
            await server.run(reader, writer, server.create_initialization_options())
    except* (BrokenPipeError, anyio.BrokenResourceError):
        logger.info("the client has ended")
    except* OSError as group:
        fault = OSError(_first(group).errno, _first(group).strerror)
    finally:
        await tools.stop()
    if fault is not None:
        raise fault


def _first(error: BaseException) -> Any:
    """Return the first error of a group of groups."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


class _Lines:
    """The lines of a file, read in a thread that does not outlive the process: a signal need not wait for a line."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(MAX_WAITING)
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            yield line

    def _read(self) -> None:
        is_rest, line = False, b""
        try:
            while line := self._file.readline(MAX_LINE):
                if not is_rest:
                    self._put(line.decode(errors="replace"))
                is_rest = not line.endswith(b"\n")
        except OSError as error:
            logger.error("cannot read requests: %s", error.strerror)
        self._put(None)

    def _put(self, line: str | None) -> None:
        put = self._lines.put(line)
        try:
            asyncio.run_coroutine_threadsafe(put, self._loop).result()
        except (RuntimeError, CancelledError):  # the loop has ended, or ends
            put.close()


def streams() -> tuple[IO[bytes], IO[str]]:
    """Return standard input and output as files of the protocol's own; what else is printed goes to standard error.

    Raises:
        OSError: one is closed.
    """
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "w", encoding="utf-8")
