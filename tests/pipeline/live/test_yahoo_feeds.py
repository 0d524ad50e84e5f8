"""The sources `yahoo` (a real websocket with protobufs) and `yahoo-poll` (yfinance against a replay of Yahoo)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from yfinance.pricing_pb2 import PricingData

from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live import connection
from stockstream.pipeline.live.bar import SCALE, split_between
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.facts import Facts, fold_of, session_of
from stockstream.pipeline.live.sources import Plan
from stockstream.pipeline.live.sources.yahoo import YahooFeed
from stockstream.pipeline.live.sources.yahoo_poll import YahooPoll
from stockstream.pipeline.live.stream import Stream
from stockstream.pipeline.markets import MARKETS
from tests.pipeline.live.exchange import Exchange
from tests.yahoo_replay import NOT_FOUND, RATE_LIMITED, YahooReplay, chart

ASX = MARKETS["ASX"]
DAY = date(2026, 11, 25)
SESSION = session_of(ASX, DAY)


def message(**values: Any) -> bytes:
    data = {
        "id": "BHP.AX",
        "price": 161.87,
        "time": SESSION.opens + 5000,
        "day_volume": 12_345_678,
        "day_high": 162.1,
        "day_low": 160.05,
        "open_price": 160.5,
        "previous_close": 153.2,
        "price_hint": 2,
        "market_hours": 1,
    }
    pricing = PricingData(**(data | values))
    return json.dumps({"type": "pricing", "message": base64.b64encode(pricing.SerializeToString()).decode()}).encode()


def test_a_message_has_the_day_so_far_with_the_digits_of_the_price() -> None:
    (event,) = decode(message(), Counter())
    assert (event.symbol, event.price, event.high, event.low, event.open) == ("BHP.AX", 161.87, 162.1, 160.05, 160.5)
    assert (event.volume, event.previous_close, event.is_regular) == (12_345_678, 153.2, True)


@pytest.mark.parametrize("frame", [b'{"type":"pricing","message":"!"}', b'{"type":"pricing"}', b'{"type":"x"}', b"{}"])
def test_messages_that_cannot_be_read_are_counted(frame: bytes) -> None:
    counts: Counter[str] = Counter()
    assert decode(frame, counts) == []
    assert counts.total() == 1


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [(1208.88, 120.888, 10.0), (100.0, 25.01, 4.0), (10.0, 100.2, 0.1), (15.0, 10.0, 1.5), (100.0, 99.0, 1.0),
     (100.0, 43.3, 1.0), (100.0, 80.0, 1.0)],
)  # fmt: skip
def test_a_split_is_what_lies_between_the_lakes_close_and_the_sources(
    before: float, after: float, ratio: float
) -> None:
    assert split_between(before, after) == pytest.approx(ratio)


def test_it_reconnects_after_an_abort_and_a_clean_close_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "QUIET", 0.3)
    monkeypatch.setattr(connection, "MAX_WAIT", 0.05)
    later = message(time=SESSION.opens + 60_000, price=15.9, day_high=16.5, day_low=15.8, open_price=16.05,
                    previous_close=15.32, day_volume=99_000_000)  # fmt: skip
    pre_market = message(time=SESSION.opens - 1000, market_hours=0)
    early = message(price=16.187, day_high=16.21, day_low=16.005, open_price=16.05, previous_close=15.32, price_hint=3)
    exchange = Exchange([[pre_market, early], [early], [later]], ["abort", "close", "stay"])
    subscriptions: list[Any] = []

    async def serve(socket: Any) -> None:
        subscriptions.append(json.loads(await socket.recv()))
        await exchange.deliver(socket)

    async def run() -> Stream:
        async with exchange.serving(serve):
            plan = Plan(ASX, SESSION, ("BHP", "^AXJO"))
            facts = Facts(frozenset({"BHP"}), {"BHP": 153.2}, {}, frozenset({"BHP"}))
            stream = Stream(
                Lake(str(tmp_path)), YahooFeed(plan, url=exchange.url), fold_of(SESSION, facts, ["BHP"], ASX), "yahoo"
            )
            stream.prepare()
            stop = asyncio.Event()
            running = asyncio.create_task(stream.run(stop))
            for _ in range(200):
                await asyncio.sleep(0.02)
                if stream.fold.bars.get("BHP.AX") and stream.fold.bars["BHP.AX"].close == 15.9:
                    break
            stop.set()
            await running
            return stream

    stream = asyncio.run(run())
    bar = stream.fold.bars["BHP.AX"]
    assert subscriptions == [{"subscribe": ["BHP.AX", "^AXJO"]}] * 3
    assert (bar.symbol, bar.open, bar.high, bar.low, bar.close) == ("BHP", 16.05, 16.5, 15.8, 15.9)
    assert (bar.volume, bar.missed) == (99_000_000 * SCALE, 0.0)
    assert (bar.previous_close, bar.split_ratio) == (15.32, 10.0)
    assert bar.change_percent == pytest.approx(100 * (15.9 / 15.32 - 1))
    assert stream.fold.counts == {"outside the session": 1, "duplicate": 1}


def answer(symbol: str) -> dict[str, Any]:
    body = chart(symbol, [(DAY, 41.0, 42.0, 40.5, 41.5, 1000)])
    body["chart"]["result"][0]["meta"] |= {
        "regularMarketPrice": 41.75,
        "regularMarketTime": SESSION.opens // 1000 + 60,
        "chartPreviousClose": 40.0,
    }
    return body


def test_polling_makes_bars_and_says_to_what_a_long_list_stretches_the_interval() -> None:
    names = ("BHP", "CBA", "XXX")
    with YahooReplay() as yahoo:
        for name in names[:2]:
            yahoo.script(f"{name}.AX", answer(f"{name}.AX"))
        yahoo.script("XXX.AX", NOT_FOUND)
        feed = YahooPoll(Plan(ASX, SESSION, names), pause=0.05, url=yahoo.url, interval=0.01)
        fold = fold_of(SESSION, Facts(), names, ASX)

        async def run() -> None:
            stream = feed.frames()
            for number in range(4):
                fold.apply(f"{number:020d}", decode(await anext(stream), fold.counts))

        asyncio.run(run())
    bars = {bar.symbol: (bar.open, bar.high, bar.low, bar.close) for bar in fold.bars.values()}
    assert bars == dict.fromkeys(names[:2], (41.0, 42.0, 40.5, 41.75))
    assert fold.bars["BHP.AX"].volume == 1000 * SCALE
    assert fold.bars["BHP.AX"].previous_close == 40
    assert fold.counts == {"duplicate": 2}  # the second round
    assert feed.notes["interval_seconds"] >= 0.1  # three symbols, with a pause after each
    assert feed.stats["rounds"] == 1
    assert feed.stats["failed"] >= 1
    assert feed.notes["last_failure"] == "XXX: Yahoo knows no symbol XXX.AX (404)"


def test_a_refusal_is_counted_and_waited_for() -> None:
    with YahooReplay() as yahoo:
        yahoo.script("BHP.AX", RATE_LIMITED, RATE_LIMITED, answer("BHP.AX"))
        feed = YahooPoll(Plan(ASX, SESSION, ("BHP",)), pause=0.0, url=yahoo.url, interval=0.0, refused_wait=0.01)
        frame = asyncio.run(anext(feed.frames()))  # type: ignore[arg-type]
    assert json.loads(frame)[0]["p"] == 41.75
    assert feed.stats["refused"] >= 1


@pytest.mark.parametrize("feed", [YahooFeed(Plan(ASX, SESSION)), YahooPoll(Plan(ASX, SESSION))])
def test_without_symbols_there_is_nothing_to_ask_for(feed: YahooFeed | YahooPoll) -> None:
    with pytest.raises(SourceError, match="write --symbols"):
        asyncio.run(anext(feed.frames()))  # type: ignore[arg-type]
