"""Repairs from Yahoo's chart: of its own feed after a reconnect, and of Polygon's where its REST API refuses."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live import connection
from stockstream.pipeline.live.bar import SCALE
from stockstream.pipeline.live.events import Day
from stockstream.pipeline.live.facts import Facts, fold_of
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.repair import mend_by_day
from stockstream.pipeline.live.sources import Plan
from stockstream.pipeline.live.sources.polygon import PolygonFeed
from stockstream.pipeline.live.sources.yahoo import YahooFeed
from stockstream.pipeline.live.stream import Stream
from stockstream.pipeline.live.yahoo_day import YahooDays
from stockstream.pipeline.markets import MARKETS
from tests.pipeline.live.exchange import Exchange
from tests.pipeline.live.feed import DAY, OPENS, SESSION, frames
from tests.pipeline.live.test_fold import fold_of as folded
from tests.pipeline.live.test_fold import prices, second
from tests.pipeline.live.test_polygon_feed import api_of, feed_at
from tests.pipeline.live.test_repair import events_of
from tests.pipeline.live.test_yahoo_feeds import SESSION as ASX_SESSION
from tests.pipeline.live.test_yahoo_feeds import message
from tests.polygon_vendor import Vendor, refuse
from tests.yahoo_replay import SERVER_ERROR, YahooReplay, chart

US, ASX = MARKETS["US"], MARKETS["ASX"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_WAIT", 0.05)
    for feed in (PolygonFeed, YahooFeed):
        monkeypatch.setattr(feed, "repair_delay", 0.0)
        monkeypatch.setattr(feed, "repair_pause", 0.2)


def answer(symbol: str, day: date, at: int, *bar: float) -> dict[str, Any]:
    zone = (ASX if symbol.endswith(".AX") else US).timezone
    body = chart(symbol, [(day, *bar)], timezone=zone)  # type: ignore[arg-type]
    body["chart"]["result"][0]["meta"] |= {"regularMarketPrice": bar[3], "regularMarketTime": at // 1000}
    return body


async def until_repaired(stream: Stream) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(stream.run(stop))
    for _ in range(1200):
        await asyncio.sleep(0.025)
        if stream.repairs.counts["repaired by the day"] or running.done():
            break
    stop.set()
    await running


def test_where_polygons_rest_api_refuses_yahoos_day_repairs_the_bar(tmp_path: Path) -> None:
    events = [second(sym="AAA", av=100, op=10.0), second(sym="AAA", s=OPENS + 60_000, v=100, av=900, c=10.0)]
    with YahooReplay() as yahoo, Vendor() as vendor:
        path = f"/v2/aggs/ticker/AAA/range/1/second/{SESSION.day_from}/{SESSION.day_until - 1}"
        vendor.routes[path] = lambda _: refuse(403, "You are not entitled to this data.")
        yahoo.script("AAA", SERVER_ERROR, answer("AAA", DAY, OPENS + 70_000, 10.0, 12.0, 9.0, 10.0, 950))

        async def run() -> Stream:
            exchange = Exchange([frames(events)], ["stay"])
            async with exchange.serving():
                feed = feed_at(exchange.url)
                feed.api, feed.days = api_of(vendor), YahooDays(US, SESSION, 0.0, yahoo.url)
                stream = Stream(Lake(str(tmp_path)), feed, Fold(SESSION), "polygon")
                stream.prepare()
                await until_repaired(stream)
                return stream

        stream = asyncio.run(run())
    assert prices(stream.fold) == {"AAA": (10.0, 12.0, 9.0, 10.0, 900.0)}
    assert stream.status()["missed"] == 0
    assert stream.repairs.counts["failed"] >= 2
    stream.fold.fold(stream.fold.bars["AAA"], events_of([second(sym="AAA", s=OPENS + 30_000)])[0])
    assert prices(stream.fold) == {"AAA": (10.0, 12.0, 9.0, 10.0, 900.0)}
    assert stream.fold.counts["duplicate"] == 1


def test_yahoos_own_feed_asks_for_the_day_after_a_reconnect(tmp_path: Path) -> None:
    early = message(price=16.187, day_high=16.21, day_low=16.005, open_price=16.05, previous_close=15.32, price_hint=3)
    exchange = Exchange([[early], []], ["abort", "stay"])
    day = date.fromisoformat(ASX_SESSION.date)
    with YahooReplay() as yahoo:
        report = answer("BHP.AX", day, ASX_SESSION.opens + 120_000, 16.05, 16.9, 15.7, 16.5, 99_000_000)
        yahoo.script("BHP.AX", report)

        async def serve(socket: Any) -> None:
            await socket.recv()
            await exchange.deliver(socket)

        async def run() -> Stream:
            async with exchange.serving(serve):
                plan = Plan(ASX, ASX_SESSION, ("BHP",))
                feed = YahooFeed(plan, url=exchange.url, days=YahooDays(ASX, ASX_SESSION, 0.0, yahoo.url))
                fold = fold_of(ASX_SESSION, Facts(frozenset({"BHP"})), ["BHP"], ASX)
                stream = Stream(Lake(str(tmp_path)), feed, fold, "yahoo")
                stream.prepare()
                await until_repaired(stream)
                return stream

        stream = asyncio.run(run())
    bar = stream.fold.bars["BHP.AX"]
    assert (bar.high, bar.low, bar.close, bar.volume) == (16.9, 15.7, 16.5, 99_000_000 * SCALE)
    assert len(yahoo.charts("BHP.AX")) == 1


def test_a_day_repairs_only_what_it_can() -> None:
    fold = folded([second(av=100), second(s=OPENS + 5000, v=50, av=1000)])
    good = {"symbol": "BHP", "price": 10.0, "at": OPENS, "open": 10.0, "high": 11.0, "low": 9.0, "volume": 400}
    for bad in ({"high": 9.0}, {"low": 0.0}, {"volume": 150}, {"volume": -1}, {"open": 12.0}):
        assert not mend_by_day(fold, "BHP", Day(**good | bad))  # type: ignore[arg-type]
    assert fold.bars["BHP"].missed == 850
    assert mend_by_day(fold, "BHP", Day(**good))  # type: ignore[arg-type]
    assert (fold.bars["BHP"].missed, fold.bars["BHP"].high) == (600, 11.0)
    assert mend_by_day(fold, "BHP", Day(**good | {"volume": 5000}))  # type: ignore[arg-type]
    assert fold.bars["BHP"].missed == 0  # Yahoo's volume is not Polygon's
