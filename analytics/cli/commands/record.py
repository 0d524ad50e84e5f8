"""`stockstream record`: store the frames of a feed in a file, for `stockstream stream --source replay:FILE`."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockstream.analytics.cli.commands.stream import (
    ChannelOption,
    FeedOption,
    FeedSymbolsOption,
    plan_of,
    require_live,
    streamed,
)
from stockstream.analytics.cli.options import JsonOption, LakeOption, MarketOption, lake_uri, market_of
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.cli.signals import SIGNALS
from stockstream.sql.errors import LakeError, UsageError

if TYPE_CHECKING:
    import signal

    from stockstream.pipeline.live.sources import Plan


@command("record", Panel.PIPELINE, 36)
def record_command(
    file: Annotated[Path, typer.Argument(help="The file, which must not exist yet; .gz compresses it.")],
    source: FeedOption,
    lake: LakeOption = None,
    market: MarketOption = None,
    symbols: FeedSymbolsOption = None,
    channel: ChannelOption = "A",
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after this time.", show_default="the end of the session")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="If the market is closed, wait until it opens.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Store a feed in a file of JSON lines, each a frame as the vendor sends it.

    Example: stockstream record day.jsonl --source polygon --symbols AAPL,MSFT
    """
    from stockstream.pipeline.lake import Lake

    require_live()
    if file.exists():
        raise UsageError(f"{file} exists: name a new file, or delete it")
    opened = Lake(lake_uri(lake))
    where = market_of(opened, market)
    plan = plan_of(where, channel, 0.0, symbols)
    opened.prepare(where, date.today())
    result, received = asyncio.run(_record(file, opened.uri, source, plan, seconds, wait))
    if as_json:
        print(json.dumps(result))
    else:
        connection = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result["connection"].items())
        Screen().print(f"recorded    {result['frames']:,} frames, {result['bytes']:,} bytes in {file}; {connection}")
    if received:
        sys.exit(SIGNALS[received][0])


async def _record(
    file: Path, lake: str, source: str, plan: Plan, seconds: float | None, wait: bool
) -> tuple[dict[str, Any], signal.Signals | None]:
    """Write frames until the session, the source or the time ends, or a signal arrives; return what was written."""
    from stockstream.analytics.cli.event_loop import until_signal
    from stockstream.pipeline.lake import Lake
    from stockstream.pipeline.live.journal import one_line
    from stockstream.pipeline.live.lease import RENEWAL
    from stockstream.pipeline.live.sources.base import MARK
    from stockstream.pipeline.live.stream import vendor_lease

    async with until_signal() as (stop, received):
        feed, ends_at = await streamed(lake, source, plan, wait, stop)
        if feed is None:
            return {"file": str(file), "frames": 0, "bytes": 0, "connection": {}}, received()
        lease = vendor_lease(Lake(lake), feed) if feed.has_lease else None
        if lease is not None:
            lease.acquire()
        limit = time.time() + seconds if seconds is not None else None
        ends = min((moment for moment in (limit, ends_at) if moment is not None), default=None)
        others = {asyncio.create_task(_renew(lease, RENEWAL)), asyncio.create_task(stop.wait())}
        frames = size = 0
        try:
            with gzip.open(file, "xb") if file.suffix == ".gz" else file.open("xb") as out:
                async for frame in _until(feed.frames(), others, ends):
                    if frame.startswith(MARK):
                        continue
                    size += out.write(one_line(frame) + b"\n")
                    frames += 1
        except OSError as error:
            raise LakeError(f"cannot write {file}: {error.strerror}") from None
        finally:
            for task in others:
                task.cancel()
            if lease is not None:
                lease.release()
    connection = {**feed.stats, **feed.notes}
    return {"file": str(file), "frames": frames, "bytes": size, "connection": connection}, received()


async def _until(
    stream: AsyncIterator[bytes], others: set[asyncio.Task[Any]], ends: float | None
) -> AsyncIterator[bytes]:
    """Yield what a stream yields until its end, a time (seconds since 1970), or the end of one of other tasks.

    Raises what the other task raises.
    """
    while ends is None or time.time() < ends:
        pending = asyncio.ensure_future(_next(stream))
        timeout = None if ends is None else max(0.0, ends - time.time())
        try:
            await asyncio.wait({pending, *others}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not pending.done():
                pending.cancel()
                await asyncio.gather(pending, return_exceptions=True)
        frame = None if pending.cancelled() else pending.result()
        if frame is not None:
            yield frame
        for task in others:
            if task.done():
                task.result()
                return
        if frame is None:
            return


async def _next(stream: Any) -> bytes | None:
    """Return the next frame; None at the end of the source."""
    return await anext(stream, None)


async def _renew(lease: Any, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        if lease is not None:
            await asyncio.to_thread(lease.renew)
