"""Live: from the frames of a feed to bars, on one core, and what a state costs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.journal import open_journal, position_of
from stockstream.pipeline.live.sources import Plan
from stockstream.pipeline.live.sources.polygon import PolygonFeed
from stockstream.pipeline.live.state import StateTable, state_of
from stockstream.pipeline.live.stream import Stream
from stockstream.pipeline.markets import MARKETS
from tests.benchmarks._harness import Figure, main, spent
from tests.pipeline.live.feed import SESSION, frames, names, seconds

MAX_MICROSECONDS = 1e6 / 300_000
"""At least 300,000 events per second."""
MAX_SHARE = 15
"""Percent of a core."""
PER_FRAME = 100


def measure(quick: bool) -> Iterator[Figure]:
    symbols, count = (200, 20) if quick else (5_000, 60)
    feed = frames(seconds(symbols_of(symbols), count), PER_FRAME)
    events = sum(len(json.loads(frame)) for frame in feed)
    what = f"{events:,} second aggregates of {symbols:,} symbols"
    counts: Counter[str] = Counter()
    decoding = min(spent(lambda: [decode(frame, counts) for frame in feed]).cpu for _ in range(3))
    yield Figure(f"decode {what}", 1e6 * decoding / events, "µs CPU per event")
    folds: list[Fold] = []

    def fold_all() -> None:
        fold = Fold(SESSION)
        for number, frame in enumerate(feed):
            fold.apply(position_of(number + 1), decode(frame, fold.counts))
        folds.append(fold)

    folding = min(spent(fold_all).cpu for _ in range(3))
    goal = None if quick else MAX_MICROSECONDS
    yield Figure("decode and fold", 1e6 * folding / events, "µs CPU per event", goal)
    yield Figure("events that are not in a bar", folds[-1].counts.total(), "events", 0)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder:
        lake = Lake(f"{folder}/lake")
        journal = open_journal(lake, SESSION.date, "")
        journaling = spent(lambda: [journal.append(frame) for frame in feed] and journal.sync()).cpu
        yield Figure("journal in a folder", 1e6 * journaling / events, "µs CPU per event")
        states = StateTable(lake, SESSION.date)
        saving = min(spent(lambda: states.save(state_of(folds[-1], "benchmark", "1"))).cpu for _ in range(3))
        yield Figure(f"save the state of {symbols:,} symbols", 1e3 * saving, "ms CPU")
    yield from _stream(quick)


def _stream(quick: bool) -> Iterator[Figure]:
    """Measure a stream from a websocket in another process: 10,000 events per second, journal and states included."""
    events = seconds(symbols_of(10_000), 2 if quick else 10)[: 10_000 if quick else 80_000]
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder:
        file = Path(folder) / "feed.jsonl"
        file.write_bytes(b"\n".join(frames(events, PER_FRAME)))
        command = [sys.executable, "-m", "tests.benchmarks._feed_server", str(file), str(10_000 // PER_FRAME), "spread"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                url = f"ws://127.0.0.1:{server.stdout.readline().strip()}"
                feed = PolygonFeed(Plan(MARKETS["US"], None), url=url, key="benchmark")
                stream = Stream(Lake(f"{folder}/lake"), feed, Fold(SESSION), "benchmark")
                stream.prepare()
                took = spent(lambda: asyncio.run(_until(stream, len(events))))
            finally:
                server.kill()
    goal = None if quick else MAX_SHARE
    yield Figure(
        "websocket to bars at 10,000 events/s, journal and states included",
        100 * took.cpu / (len(events) / 10_000),
        "% of a core",
        goal,
    )


async def _until(stream: Stream, events: int) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(stream.run(stop))
    while stream.events < events and not running.done():
        await asyncio.sleep(0.05)
    stop.set()
    await running


def symbols_of(count: int) -> list[str]:
    """Return different symbols of three or four characters."""
    return [f"{name}{number // 17_576 or ''}" for number, name in enumerate(names(count))]


if __name__ == "__main__":
    main("Live", measure)
