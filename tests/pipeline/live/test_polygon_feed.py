"""The source `polygon` against a real websocket server with the vendor's messages."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import SourceError, UsageError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live import connection
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.lease import LeaseTakenError
from stockstream.pipeline.live.sources import Plan, open_feed
from stockstream.pipeline.live.sources.polygon import PolygonFeed
from stockstream.pipeline.live.stream import Stream
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.polygon_api import PolygonApi
from tests.pipeline.live.exchange import KEY, Exchange
from tests.pipeline.live.feed import SESSION, expected, frames, seconds
from tests.pipeline.live.test_fold import prices
from tests.polygon_vendor import Vendor, ok, split

US = MARKETS["US"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "QUIET", 0.3)
    monkeypatch.setattr("stockstream.pipeline.live.connection.MAX_WAIT", 0.05)
    monkeypatch.setattr(PolygonFeed, "repair_delay", 0.0)
    monkeypatch.setattr(PolygonFeed, "repair_pause", 0.2)


def feed_at(url: str, key: str = KEY, **options: Any) -> PolygonFeed:
    return PolygonFeed(Plan(US, SESSION, **options), url=url, key=key, silence=0.3)


def api_of(vendor: Vendor) -> PolygonApi:
    return PolygonApi(KEY, vendor.url, 100_000, 3, 0.01, wait_max=0.05)


def parts_of(events: list[dict[str, Any]], cuts: Iterable[int]) -> list[list[bytes]]:
    edges = [0, *cuts, len(events)]
    return [frames(events[a:b]) for a, b in pairwise(edges)]


async def until(stream: Stream, volume: float) -> dict[str, Any]:
    """Run a stream until its bars have a volume, or for ten seconds."""
    stop = asyncio.Event()
    running = asyncio.create_task(stream.run(stop))
    for _ in range(400):
        await asyncio.sleep(0.025)
        if stream.status()["volume"] >= volume or running.done():
            break
    stop.set()
    return await running


def volume_of(events: Iterable[dict[str, Any]]) -> float:
    return sum(event["v"] for event in events)


@pytest.mark.parametrize("after", ["close", "abort", "mute"])
def test_it_reconnects_whatever_ends_the_connection(after: str, tmp_path: Path) -> None:
    events = seconds(10, 60)
    exchange = Exchange(parts_of(events, (100, 250)), [after, after, "stay"])

    async def run() -> dict[str, Any]:
        async with exchange.serving():
            stream = Stream(Lake(str(tmp_path)), feed_at(exchange.url), Fold(SESSION), "polygon")
            stream.prepare()
            status = await until(stream, volume_of(events))
            assert prices(stream.fold) == expected(events)
            return status

    status = asyncio.run(run())
    assert exchange.connections == 3
    assert exchange.subscriptions == ["A.*"] * 3
    kinds = {"close": "closed", "abort": "lost", "mute": "silent"}
    assert status["connection"]["connections"] == 3
    assert status["connection"][kinds[after]] == 2
    assert status["missed"] == 0


def test_what_a_disconnect_loses_is_missed_until_the_rest_api_repairs_it(tmp_path: Path) -> None:
    events = seconds(6, 60)
    lost = events[100:160]
    exchange = Exchange([frames(events[:100]), frames(events[160:])], ["abort", "stay"])
    kept = [*events[:100], *events[160:]]

    def run(api: Any) -> Stream:
        async def go() -> Stream:
            async with exchange.serving():
                exchange.connections = 0
                feed = feed_at(exchange.url)
                feed.api = api
                stream = Stream(Lake(str(tmp_path / str(api is None))), feed, Fold(SESSION), "polygon")
                stream.prepare()
                await until(stream, volume_of(events if api else kept))
                return stream

        return asyncio.run(go())

    stream = run(None)
    want: dict[str, float] = {}
    for event in lost:
        want[event["sym"]] = want.get(event["sym"], 0) + event["v"]
    assert {bar.symbol: bar.missed for bar in stream.fold.bars.values() if bar.missed} == want
    with Vendor() as vendor:
        for symbol in {event["sym"] for event in events}:
            rows = [
                {"t": event["s"], **{name: event[name] for name in "vohlc"}}
                for event in events
                if event["sym"] == symbol
            ]
            path = f"/v2/aggs/ticker/{symbol}/range/1/second/{SESSION.day_from}/{SESSION.day_until - 1}"
            vendor.routes[path] = lambda _, rows=rows: ok(rows)  # type: ignore[misc]
        stream = run(api_of(vendor))
    assert stream.status()["missed"] == 0
    assert prices(stream.fold) == expected(events)
    assert stream.repairs.counts["repaired"] >= len(want)


def test_a_refused_key_ends_the_stream_with_one_line(tmp_path: Path) -> None:
    async def run() -> None:
        async with Exchange([], []).serving() as exchange:
            stream = Stream(Lake(str(tmp_path)), feed_at(exchange.url, "wrong-key"), Fold(SESSION), "polygon")
            stream.prepare()
            with pytest.raises(
                SourceError, match=r"^polygon refuses the key of POLYGON_API_KEY: authentication failed$"
            ):
                await stream.run(asyncio.Event())

    asyncio.run(run())
    assert not list((tmp_path / "live").rglob("*lease*"))


def test_one_process_has_the_connection(tmp_path: Path) -> None:
    one, other = (Stream(Lake(str(tmp_path)), feed_at("ws://127.0.0.1:9"), Fold(SESSION), "polygon") for _ in range(2))
    one.prepare()
    with pytest.raises(LeaseTakenError):
        other.prepare()
    one.release()
    other.prepare()
    other.release()


def test_a_stream_whose_lease_was_taken_stops_and_does_not_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.pipeline.live.stream.RENEWAL", 0.0)
    lake = Lake(str(tmp_path))
    exchange = Exchange([frames(seconds(4, 5))], ["stay"])

    async def run() -> None:
        async with exchange.serving():
            stream = Stream(lake, feed_at(exchange.url), Fold(SESSION), "polygon")
            stream.prepare()
            key = f"live/{SESSION.date}/lease.json"
            lake.store.put(key, b'{"host": "elsewhere", "process": 7, "id": "x"}', replaces=lake.store.get(key))
            with pytest.raises(LeaseTakenError, match=f"elsewhere process 7 has the session {SESSION.date}"):
                await stream.run(asyncio.Event())

    asyncio.run(run())
    assert not list((tmp_path / "live" / SESSION.date / "bars").glob("*.json"))


def test_symbols_and_channel_are_subscribed(tmp_path: Path) -> None:
    exchange = Exchange([frames(seconds(["AAA", "BBB"], 2))], ["stay"])

    async def run() -> bytes:
        async with exchange.serving():
            feed = feed_at(exchange.url, symbols=("AAA", "BBB"), channel="AM")
            stream = feed.frames()
            frame = await anext(stream)
            await stream.aclose()  # type: ignore[attr-defined]
            return frame

    assert json.loads(asyncio.run(run()))[0]["sym"] == "AAA"
    assert exchange.subscriptions == ["AM.AAA,AM.BBB"]


def test_a_server_that_is_not_there_is_tried_again_with_longer_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_WAIT", 8.0)
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        if threading.current_thread() is threading.main_thread():  # servers of other tests wait in threads of theirs
            waits.append(seconds)
            seconds = 0
        await sleep(seconds)

    monkeypatch.setattr(connection.asyncio, "sleep", note)
    feed = feed_at("ws://127.0.0.1:9/stocks")

    async def run() -> None:
        task = asyncio.ensure_future(anext(feed.frames()))
        while feed.stats["lost"] < 7:
            await sleep(0.01)
        task.cancel()

    asyncio.run(run())
    limits = [0.5, 1, 2, 4, 8, 8, 8]
    assert all(limit / 2 <= wait <= limit for wait, limit in zip(waits, limits, strict=False)), waits
    assert len({wait / limit for wait, limit in zip(waits, limits, strict=False)}) > 1  # jitter


def test_the_vendors_new_name_works_beside_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for names, host in (
        ({"MASSIVE_API_KEY": "m"}, "massive.com"),
        ({"POLYGON_API_KEY": "p"}, "polygon.io"),
        ({"MASSIVE_API_KEY": "m", "POLYGON_API_KEY": "p"}, "polygon.io"),
    ):
        for name in ("MASSIVE_API_KEY", "POLYGON_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in names.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        feed = open_feed("polygon", Plan(US, None))
        assert isinstance(feed, PolygonFeed)
        assert feed.url == f"wss://socket.{host}/stocks"
        assert feed.key == (names.get("POLYGON_API_KEY") or names["MASSIVE_API_KEY"])
        assert f"https://api.{host}" in vars(feed.api).values()
    settings.cache_clear()


def test_without_a_key_or_with_an_open_address_there_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.cache_clear()
    with pytest.raises(UsageError, match="set POLYGON_API_KEY or MASSIVE_API_KEY"):
        open_feed("polygon", Plan(US, None))
    monkeypatch.setenv("POLYGON_API_KEY", "p")
    monkeypatch.setenv("STOCKSTREAM_POLYGON_STREAM_URL", "ws://example.com/stocks")
    settings.cache_clear()
    with pytest.raises(UsageError, match="in the clear"):
        open_feed("polygon", Plan(US, None))
    with pytest.raises(UsageError, match="has the US market, not ASX"):
        open_feed("polygon", Plan(MARKETS["ASX"], None))
    settings.cache_clear()


def test_the_splits_of_the_session_come_from_the_rest_api() -> None:
    with Vendor() as vendor:
        vendor.routes["/v3/reference/splits"] = lambda query: ok(
            [split("NVDA", SESSION.date, 1, 10)] if query["execution_date"] == SESSION.date else []  # type: ignore[arg-type]
        )
        feed = feed_at("")
        feed.api = api_of(vendor)
        assert feed.splits() == {"NVDA": 10.0}
