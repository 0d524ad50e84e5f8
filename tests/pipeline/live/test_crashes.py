"""Crashes, redelivery and lossy connections in large numbers: no bar differs, and `missed` is exact per symbol."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live import connection
from stockstream.pipeline.live.events import Second
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.items import ItemTable, padded
from stockstream.pipeline.live.sources.polygon import PolygonFeed
from stockstream.pipeline.live.stream import Stream
from tests.pipeline.live.exchange import Exchange
from tests.pipeline.live.feed import SESSION, expected, frames, seconds, unreliable
from tests.pipeline.live.test_fold import prices
from tests.pipeline.live.test_items import TABLE, Killed, Mortal, client, stored
from tests.pipeline.live.test_polygon_feed import api_of, feed_at
from tests.polygon_vendor import Vendor, ok

__all__ = ["client"]
Events = list[dict[str, Any]]


def kill_and_redeliver(client: Any, day: str, rng: random.Random, symbols: int) -> int:
    """Fold a day in batches that are cut at random, by consumers that die amid their writes; return their number.

    After a death, and now and then without one, the log delivers again from some record before.
    """

    def empty() -> Fold:
        return Fold(SESSION, kind=Second)

    events = seconds(symbols, 60, seed=rng.randrange(1000))
    frame_list = frames(unreliable(events, rng), 4)
    records = [(padded(str(10**55 + number)), frame) for number, frame in enumerate(frame_list)]
    mortal = Mortal(client)
    done = deaths = 0
    while done < len(records):
        table = ItemTable(mortal, day, empty)
        first, size = max(0, done - rng.choice((0, 1, 4, 12))), rng.randrange(1, 6)
        mortal.writes_left = rng.randrange(3) if rng.random() < 0.8 else 1 << 30
        try:
            table.fold(records[first : done + size])
            done = min(done + size, len(records))
        except Killed:
            deaths += 1
    assert stored(ItemTable(client, day, empty), symbols) == expected(events)
    return deaths


def new_table(client: Any, name: str) -> str:
    keys = [("symbol", "HASH"), ("session", "RANGE")]
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.mark.slow
@pytest.mark.parametrize("kills", [10, pytest.param(500, marks=pytest.mark.large)])
def test_kills_and_redelivery_change_no_item(kills: int, client: Any) -> None:
    rng = random.Random(16)
    deaths = runs = 0
    while deaths < kills:
        table = new_table(client, f"{TABLE}-{kills}-{runs}")
        deaths, runs = deaths + kill_and_redeliver(client, table, rng, 4), runs + 1
        client.delete_table(TableName=table)
    assert runs < kills


@contextmanager
def vendor_of(events: Events) -> Iterator[Vendor]:
    """Serve the aggregates of the day as the vendor's REST API does."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        rows.setdefault(event["sym"], []).append({"t": event["s"], **{name: event[name] for name in "vohlc"}})
    with Vendor() as vendor:
        for symbol, listed in rows.items():
            path = f"/v2/aggs/ticker/{symbol}/range/1/second/{SESSION.day_from}/{SESSION.day_until - 1}"
            vendor.routes[path] = lambda _, rows=listed: ok(rows)  # type: ignore[misc]
        yield vendor


def lossy(events: Events, cuts: int, rng: random.Random) -> tuple[list[list[bytes]], Counter[str], Events]:
    """Return the parts that some connections deliver, and the shares per symbol that are lost between them.

    Third, the events without those behind the newest that arrives of their symbol: nothing can say that there were any.
    """
    size = len(events) // (cuts + 1)
    parts: list[list[bytes]] = []
    gone: Events = []
    newest: dict[str, int] = {}
    for number in range(cuts + 1):
        part = events[number * size : (number + 1) * size if number < cuts else None]
        gap = rng.randrange(size // 2) if number else 0
        gone += part[:gap]
        newest |= {event["sym"]: event["s"] for event in part[gap:]}
        parts.append(frames(part[gap:]))
    lost: Counter[str] = Counter()
    for event in gone:
        if event["s"] <= newest[event["sym"]]:
            lost[event["sym"]] += event["v"]
    return parts, lost, [event for event in events if event["s"] <= newest[event["sym"]]]


@pytest.mark.large
def test_missed_is_exact_for_500_symbols_and_nothing_after_the_repair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_WAIT", 0.05)
    monkeypatch.setattr(PolygonFeed, "repair_delay", 0.0)
    monkeypatch.setattr(PolygonFeed, "repair_pause", 1.0)
    parts, lost, events = lossy(seconds(500, 60), 20, random.Random(7))

    async def run(name: str, api: Any) -> Stream:
        exchange = Exchange(parts, ["abort"] * 20 + ["stay"])
        async with exchange.serving():
            feed = feed_at(exchange.url)
            feed.api = api
            stream = Stream(Lake(str(tmp_path / name)), feed, Fold(SESSION), "polygon")
            stream.prepare()
            stop = asyncio.Event()
            running = asyncio.create_task(stream.run(stop))
            target = sum(event["v"] for event in events) - (0 if api else lost.total())
            while stream.status()["volume"] < target and not running.done():
                await asyncio.sleep(0.1)
            stop.set()
            await running
        return stream

    stream = asyncio.run(run("lossy", None))
    missed = {bar.symbol: bar.missed for bar in stream.fold.bars.values() if bar.missed}
    assert missed == lost
    assert len(missed) > 400
    assert stream.feed.stats["lost"] == 20
    with vendor_of(events) as vendor:
        stream = asyncio.run(run("repaired", api_of(vendor)))
    assert stream.status()["missed"] == 0
    assert prices(stream.fold) == expected(events)
