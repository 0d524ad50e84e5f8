"""Live, beside the vendor's own client: the same second-feed with 20 forced disconnects, and what is lost, and noticed.

All clients are connected at once to a server that sends every event once, at the speed of the day, and cuts them off
together, by turns without a close frame and with the close codes 1000 and 1001. What is missing from their bars is
judged by an independent sum of all events.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.bar import SCALE
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.sources import Plan
from stockstream.pipeline.live.sources.polygon import PolygonFeed
from stockstream.pipeline.live.stream import Stream
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.polygon_api import PolygonApi
from tests.benchmarks._harness import Figure, main
from tests.benchmarks._vendor_client import environment
from tests.pipeline.live.feed import OPENS, SESSION, expected, frames, names, seconds
from tests.polygon_vendor import Reply, Vendor, ok

ENVIRONMENT = Path(__file__).parents[2] / ".venv-vendor"
CUTS = ("abort", "1000", "abort", "1001")
"""What the server does, by turns."""
EVERY, TAIL = 3, 12
"""Seconds from one disconnect to the next, and from the last one to the end: a symbol that is in no event after a gap
cannot tell that it missed one."""
MAX_REPAIR = 60.0
"""Seconds that the repairs may take after the last event."""
ITS_WAYS = {"once": "vendor's client, as in its README", "restarted": "vendor's client, restarted"}


class UnrepairedFeed(PolygonFeed):
    """Our source for a key that has no access to the REST API, and no access to Yahoo either."""

    has_repair = False  # type: ignore[assignment]


class RepairedFeed(PolygonFeed):
    """Our source with a REST API that lags behind by a second, as the vendor's by up to fifteen."""

    repair_delay, repair_pause = 1.0, 2.0


OURS = {"repaired": "ours", "unrepaired": "ours without REST API"}
FEEDS = {"repaired": RepairedFeed, "unrepaired": UnrepairedFeed}

Bars = Mapping[str, tuple[float, ...]]
"""Open, high, low, close, volume per symbol."""
NO_BAR = (0.0,) * 5


@dataclass
class Outcome:
    """What a client had at the end."""

    bars: Bars
    events: int
    missed: dict[str, float] = field(default_factory=dict)
    """Shares that the client says are missing, per symbol."""
    has_failed: bool = False
    """Whether it ended with an error."""
    connections: int = 0


class Rest:
    """The REST API: the aggregates of the seconds that are over."""

    def __init__(self, vendor: Vendor, events: Sequence[dict[str, Any]]) -> None:
        self.began: float | None = None
        self._rows: dict[str, list[dict[str, Any]]] = {}
        for event in events:
            row = {"t": event["s"], **{name: event[name] for name in "vohlc"}}
            self._rows.setdefault(event["sym"], []).append(row)
        for symbol in self._rows:
            path = f"/v2/aggs/ticker/{symbol}/range/1/second/{SESSION.day_from}/{SESSION.day_until - 1}"
            vendor.routes[path] = lambda _, symbol=symbol: self._answer(symbol)  # type: ignore[misc]
        self.api = PolygonApi("repaired", vendor.url, 1_000_000, 3, 0.05, wait_max=1.0)

    def _answer(self, symbol: str) -> Reply:
        if self.began is None:
            return ok([])
        now = OPENS + 1000 * (time.monotonic() - self.began)
        return ok([row for row in self._rows[symbol] if row["t"] + 1000 <= now])


def measure(quick: bool) -> Iterator[Figure]:
    symbols, cuts = (40, 4) if quick else (200, 20)
    events = seconds(names(symbols), EVERY * cuts + TAIL)
    python = environment(ENVIRONMENT)
    with ThreadPoolExecutor() as pool:
        mixed = pool.submit(_outcomes, python, events, _schedule(events, cuts, CUTS), FEEDS, list(ITS_WAYS))
        aborts = pool.submit(_outcomes, python, events, _schedule(events, cuts, CUTS[:1]), {}, ["once"])
    yield Figure(f"sent to each client, {cuts} disconnects", len(events), "events")
    truth = expected(events)
    for name, outcome in mixed.result().items():
        yield from _figures(name, outcome, len(events), cuts, truth)
    what, alone = f"{ITS_WAYS['once']}, {cuts} disconnects without a close frame", aborts.result()["once"]
    yield Figure(f"{what}: not reconnected", _not_reconnected(alone, cuts), "disconnects")
    yield Figure(f"{what}: ended with an error", int(alone.has_failed), "errors")


def _figures(name: str, outcome: Outcome, sent: int, cuts: int, truth: Bars) -> Iterator[Figure]:
    """Yield what a client lost of the events, which bars are wrong, and whether it says so."""
    is_ours = name in OURS
    what, none = {**OURS, **ITS_WAYS}[name], 0 if is_ours else None
    wrong = {symbol for symbol, bar in truth.items() if outcome.bars.get(symbol) != bar}
    in_prices = sum(outcome.bars.get(symbol, NO_BAR)[:4] != truth[symbol][:4] for symbol in wrong)
    yield Figure(f"{what}: not reconnected", _not_reconnected(outcome, cuts), "disconnects", none)
    yield Figure(f"{what}: did not arrive", sent - outcome.events, "events")
    yield Figure(f"{what}: wrong bars", len(wrong), "symbols", 0 if name == "repaired" else None)
    yield Figure(f"{what}: wrong in open, high, low or close", in_prices, "symbols")
    yield Figure(f"{what}: wrong bars that it does not name", len(wrong - outcome.missed.keys()), "symbols", none)
    if is_ours:
        lost = {symbol: bar[4] - outcome.bars.get(symbol, NO_BAR)[4] for symbol, bar in truth.items()}
        inexact = sum(shares != outcome.missed.get(symbol, 0.0) for symbol, shares in lost.items())
        yield Figure(f"{what}: missed volume that is not exact", inexact, "symbols", 0)
    elif name == "once":
        yield Figure(f"{what}: ended with an error", int(outcome.has_failed), "errors")


def _not_reconnected(outcome: Outcome, cuts: int) -> int:
    return max(0, cuts + 1 - outcome.connections)


def _schedule(events: Sequence[dict[str, Any]], cuts: int, kinds: Sequence[str]) -> str:
    """Return the lines for the server: the frames of a second spread over the next one, and the disconnects."""
    by_second: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        by_second.setdefault((event["e"] - OPENS) // 1000, []).append(event)
    lines: list[tuple[float, str, str]] = []
    for second, those in by_second.items():
        texts = frames(those, 20)
        lines += [(second + at / len(texts), "frame", text.decode()) for at, text in enumerate(texts)]
    lines += [(EVERY * (number + 1) + 0.5, "cut", kinds[number % len(kinds)]) for number in range(cuts)]
    return "\n".join(map(json.dumps, sorted(lines)))


def _outcomes(
    python: Path,
    events: Sequence[dict[str, Any]],
    schedule: str,
    feeds: Mapping[str, type[PolygonFeed]],
    ways: list[str],
) -> dict[str, Outcome]:
    """Return what some of our feeds, and the vendor's client in some ways, had at the end of a schedule."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stockstream-benchmark-")))
        file = folder / "schedule.jsonl"
        file.write_text(schedule)
        rest = Rest(stack.enter_context(Vendor()), events)
        clients = str(len(feeds) + len(ways))
        server = _started(stack, [sys.executable, "-m", "tests.benchmarks._cut_server", str(file), clients])
        port = _line(server)
        script = Path(__file__).with_name("_vendor_client.py")
        theirs = {how: _started(stack, [str(python), str(script), port, how]) for how in ways}
        streams = {
            name: _stream(f"{folder}/{name}", kind, f"ws://127.0.0.1:{port}/stocks", name, rest.api)
            for name, kind in feeds.items()
        }
        connections = asyncio.run(_run(list(streams.values()), server, rest))
        outcomes = {name: _ours(stream) for name, stream in streams.items()}
        for how, process in theirs.items():
            answer = json.loads(process.communicate(timeout=60)[0])
            bars = {symbol: tuple(bar) for symbol, bar in answer["bars"].items()}
            outcomes[how] = Outcome(bars, answer["events"], has_failed=answer["has_failed"])
    for name, outcome in outcomes.items():
        outcome.connections = connections[name]
    return outcomes


def _started(stack: ExitStack, command: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


def _line(process: subprocess.Popen[str]) -> str:
    """Return the next line of a process; it must have one."""
    assert process.stdout is not None
    if not (line := process.stdout.readline().strip()):
        raise SystemExit("the server has ended: see above; or not all clients came")
    return line


def _stream(folder: str, kind: type[PolygonFeed], url: str, key: str, api: PolygonApi) -> Stream:
    plan = Plan(MARKETS["US"], SESSION)
    stream = Stream(Lake(folder), kind(plan, url=url, key=key, api=api), Fold(SESSION), "benchmark")
    stream.prepare()
    return stream


async def _run(streams: Sequence[Stream], server: subprocess.Popen[str], rest: Rest) -> Counter[str]:
    """Run our streams until the server has sent everything, and repairs are done; return the connections per key."""
    stop = asyncio.Event()
    running = [asyncio.create_task(stream.run(stop)) for stream in streams]
    rest.began = float(await asyncio.to_thread(_line, server))
    connections = Counter(json.loads(await asyncio.to_thread(_line, server)))
    await asyncio.sleep(1)
    until = time.monotonic() + MAX_REPAIR
    repaired = [stream for stream in streams if stream.feed.has_repair]
    while time.monotonic() < until and any(stream.status()["symbols_with_missed"] for stream in repaired):
        await asyncio.sleep(0.2)
    stop.set()
    await asyncio.gather(*running)
    return connections


def _ours(stream: Stream) -> Outcome:
    bars = {bar.symbol: bar for bar in stream.fold.bars.values() if bar.events}
    return Outcome(
        {symbol: (bar.open, bar.high, bar.low, bar.close, bar.volume / SCALE) for symbol, bar in bars.items()},
        stream.events,
        {symbol: bar.missed for symbol, bar in bars.items() if bar.missed},
    )


if __name__ == "__main__":
    main("Live, beside the vendor's client", measure)
