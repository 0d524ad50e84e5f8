"""Live, hub: from a websocket to the texts that subscribers receive, and how long an event takes on the way.

The moment at which an event is sent comes from the server's process, and the moment at which a subscriber has it from
this one: both read the monotonic clock of the machine. A bar's number of events says which event of its symbol is the
newest in it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.hub import Subscription
from stockstream.pipeline.live.sources import Plan
from stockstream.pipeline.live.sources.polygon import PolygonFeed
from stockstream.pipeline.live.stream import Stream
from stockstream.pipeline.markets import MARKETS
from tests.benchmarks._harness import Figure, main, spent
from tests.benchmarks.live import MAX_SHARE, symbols_of
from tests.pipeline.live.feed import SESSION, frames, seconds

PER_SECOND = 10_000
PER_FRAME = 20
SUBSCRIBERS = 20
"""Subscribers of 50 symbols, beside the one of all."""
MAX_MEDIAN, MAX_SPREAD, MAX_BURST = 5, 50, 150
"""Milliseconds: p50 and p99 of events spread over the second, p99 of a burst."""


@dataclass
class Run:
    """What a stream from a server took, and what its subscribers received."""

    cpu: float
    received: list[tuple[float, dict[str, bytes]]] = field(default_factory=list)
    """Moments at which the subscriber of all symbols took texts."""
    sent: list[float] = field(default_factory=list)
    """Moments of the frames."""
    conflated: int = 0

    def latencies(self, feed: list[bytes]) -> list[float]:
        """Return the milliseconds from sending an event to having it, of each event that was not conflated."""
        places: dict[str, list[int]] = {}
        for number, frame in enumerate(feed):
            for event in json.loads(frame):
                places.setdefault(event["sym"], []).append(number)
        result = []
        for moment, texts in self.received:
            for symbol, text in texts.items():
                number = places[symbol][json.loads(text)["events"] - 1]
                result.append(1000 * (moment - self.sent[number]))
        return result


def measure(quick: bool) -> Iterator[Figure]:
    count = 2 if quick else 12
    symbols = symbols_of(PER_SECOND * 5 // 4)  # a symbol trades in four of five seconds
    feed = frames(seconds(symbols, count), PER_FRAME)
    events = sum(frame.count(b'"sym"') for frame in feed)
    for how in ("spread", "burst"):
        run = _run(feed, how, events)
        latencies = run.latencies(feed)
        median, *_, last = (quantiles(latencies, n=100)[at] for at in (49, 98))
        name = f"{PER_SECOND:,} events/s, {'spread over the second' if how == 'spread' else 'in bursts'}"
        if how == "spread":
            share = 100 * run.cpu / (events / PER_SECOND)
            yield Figure(f"{name}: websocket to hub", share, "% of a core", None if quick else MAX_SHARE)
            yield Figure(f"{name}: feed to subscriber, p50", median, "ms", None if quick else MAX_MEDIAN)
        else:
            yield Figure(f"{name}: feed to subscriber, p50", median, "ms")
        limit = MAX_SPREAD if how == "spread" else MAX_BURST
        yield Figure(f"{name}: feed to subscriber, p99", last, "ms", None if quick else limit)
        yield Figure(f"{name}: events that newer ones replaced", run.conflated, "events")


def _run(feed: list[bytes], how: str, events: int) -> Run:
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder:
        times = Path(folder) / "times"
        with serving(feed, Path(folder), how, str(times)) as url:
            stream = Stream(
                Lake(f"{folder}/lake"),
                PolygonFeed(Plan(MARKETS["US"], None), url=url, key="benchmark"),
                Fold(SESSION),
                "benchmark",
            )
            stream.prepare()
            run = Run(0.0)
            run.cpu = spent(lambda: asyncio.run(_receive(stream, events, run))).cpu
            while not times.exists() or not times.read_text():
                time.sleep(0.1)
            run.sent = [float(line) for line in times.read_text().splitlines()]
    return run


@contextmanager
def serving(feed: list[bytes], folder: Path, *options: str) -> Iterator[str]:
    """Serve frames from another process; yield the address."""
    file = folder / "feed.jsonl"
    file.write_bytes(b"\n".join(feed))
    rate = str(PER_SECOND // PER_FRAME)
    command = [sys.executable, "-m", "tests.benchmarks._feed_server", str(file), rate, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"ws://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


async def _receive(stream: Stream, events: int, run: Run) -> None:
    """Run a stream with subscribers until all events are there."""

    async def keep(subscription: Subscription) -> None:
        async for texts in subscription:
            run.received.append((time.monotonic(), texts))

    async def forget(subscription: Subscription) -> None:
        async for _ in subscription:
            pass

    every = stream.hub.subscribe()
    listed = symbols_of(SUBSCRIBERS * 50)
    others = [stream.hub.subscribe(listed[at : at + 50]) for at in range(0, len(listed), 50)]
    tasks = [asyncio.create_task(keep(every)), *(asyncio.create_task(forget(one)) for one in others)]
    stop = asyncio.Event()
    running = asyncio.create_task(stream.run(stop))
    while stream.events < events and not running.done():
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    stop.set()
    await running
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    run.conflated = every.conflated


if __name__ == "__main__":
    main("Live, hub", measure)
