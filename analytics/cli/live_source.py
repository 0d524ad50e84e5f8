"""The options of `stockstream serve` for live bars: where they come from, and who receives them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockstream.sql.errors import UsageError
from stockstream.sql.extras import require

if TYPE_CHECKING:
    from stockstream.analytics.serving.live.board import Limits
    from stockstream.analytics.serving.live.part import LivePart
    from stockstream.analytics.serving.live.sources import OwnStream, Source
    from stockstream.analytics.serving.shared import Shared
    from stockstream.pipeline.lake import Lake
    from stockstream.pipeline.live.stream import Stream

LiveOption = Annotated[
    str | None,
    typer.Option(
        "--live",
        metavar="SOURCE",
        help="Serve live bars: of a source of `stockstream stream`, which runs here; state: those that a stream "
        "elsewhere saves in the lake, read every second; redis: those of a server with the same --redis.",
    ),
]
SpeedOption = Annotated[
    float, typer.Option(min=0, help="--live replay: seconds of the recording per second; 0: as fast as possible.")
]
MaxStreamsOption = Annotated[int, typer.Option(min=1, help="--live: open streams in all.")]
MaxStreamsPerCallerOption = Annotated[int, typer.Option(min=1, help="--live: open streams of a caller.")]
RedisOption = Annotated[
    str | None,
    typer.Option(
        "--redis", metavar="URL", help="Share live bars, rates and tickets with other servers: redis://HOST:6379/0."
    ),
]


def shared_of(url: str | None, lake: Lake) -> Shared | None:
    """Return what is shared through Redis; None without `--redis`.

    Raises:
        UsageError: the address is wrong, or the packages of the extra `redis` are not installed.
    """
    if url is None:
        return None
    require("redis", by="--redis")
    import hashlib

    from stockstream.analytics.serving.shared import Shared

    return Shared(url, hashlib.sha256(lake.uri.encode()).hexdigest()[:16])


def part_of(source: str | None, lake: Lake, speed: float, limits: Limits, shared: Shared | None) -> LivePart | None:
    """Return the live part of a server; None without `--live`.

    Raises:
        UsageError: the source, a file or a setting is wrong, or packages are not installed.
    """
    if source is None:
        return None
    from stockstream.analytics.cli.commands.stream import require_live

    require_live()
    from stockstream.analytics.serving.live.board import Board
    from stockstream.analytics.serving.live.part import LivePart
    from stockstream.analytics.serving.live.sources import SavedStates

    board = Board(source, limits)
    if source == "redis":
        from stockstream.analytics.serving.live.shared import Follower

        if shared is None:
            raise UsageError("--live redis needs --redis URL, that of a server with a source")
        return LivePart(board, Follower(shared))
    of_lake: Source = SavedStates(lake) if source == "state" else _own_stream(source, lake, speed)
    publisher = None
    if shared is not None:
        from stockstream.analytics.serving.live.shared import Publisher

        publisher = Publisher(shared)
    return LivePart(board, of_lake, publisher)


def _own_stream(source: str, lake: Lake, speed: float) -> OwnStream:
    """Return the stream of a source, in this process.

    Raises:
        UsageError: the source or one of its settings is wrong.
    """
    from stockstream.analytics.cli.alert_options import choice_of
    from stockstream.analytics.cli.commands import stream as command
    from stockstream.analytics.cli.options import market_of
    from stockstream.analytics.serving.live.sources import OwnStream
    from stockstream.pipeline.live.sources import open_feed
    from stockstream.pipeline.live.stream import Stream

    plan = command.plan_of(market_of(lake, None), "A", speed, None)
    open_feed(source, plan)  # what is wrong with it is an error now, not at the opening
    choice = choice_of(lake, None, None)

    async def opened(stop: asyncio.Event) -> Stream | None:
        stream = await command.opened_stream(lake.uri, source, plan, None, None, {}, True, stop, None, 0.0)
        if not isinstance(stream, Stream):  # `stop` was set before a session began
            return None
        stream.prepare()
        try:
            stream.alerts = command.alerts_of(stream, choice)
        except BaseException:
            stream.release()
            raise
        return stream

    return OwnStream(lambda stop: _in_thread(opened, stop))


async def _in_thread(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, Stream | None]], stop: asyncio.Event
) -> Stream | None:
    """Run a coroutine in a loop of another thread: it imports and reads for seconds, in which requests would wait."""
    started = asyncio.get_running_loop().create_future()
    here = asyncio.get_running_loop()

    async def run() -> Stream | None:
        ending = asyncio.Event()
        here.call_soon_threadsafe(started.set_result, (asyncio.get_running_loop(), ending))
        return await work(ending)

    async def pass_on() -> None:
        there, ending = await started
        await stop.wait()
        with suppress(RuntimeError):  # it has ended
            there.call_soon_threadsafe(ending.set)

    watching = asyncio.create_task(pass_on())
    try:
        return await asyncio.to_thread(lambda: asyncio.run(run()))
    finally:
        watching.cancel()
