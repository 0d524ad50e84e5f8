"""The hub: subscribers receive the newest state of each bar, however slow they are."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.bar import Bar
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.hub import Hub, Subscription
from stockstream.pipeline.live.sources import Plan
from stockstream.pipeline.live.sources.replay import Replay
from stockstream.pipeline.live.stream import Stream
from stockstream.pipeline.markets import MARKETS
from tests.pipeline.live.feed import OPENS, SESSION, expected, frames, names, seconds
from tests.pipeline.live.test_fold import second


def folded(hub: Hub, fold: Fold, events: list[dict[str, Any]], first: int = 0) -> None:
    for number, frame in enumerate(frames(events), first):
        hub.publish(fold.apply(f"{number:020d}", decode(frame, fold.counts)))


def taken(subscription: Subscription) -> dict[str, Any]:
    texts = asyncio.run(asyncio.wait_for(subscription.take(), 10))
    return {symbol: json.loads(text) for symbol, text in texts.items()}


def test_a_slow_subscriber_has_the_newest_state_of_each_bar_and_no_more() -> None:
    fold = Fold(SESSION)
    hub = Hub(fold)
    events = seconds(20, 200)
    slow = hub.subscribe()
    folded(hub, fold, events)
    bars = taken(slow)
    assert {s: tuple(bar[c] for c in ("open", "high", "low", "close", "volume")) for s, bar in bars.items()} == {
        **expected(events)
    }
    assert slow.conflated > 1000
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(slow.take(), 0.05))


def test_a_subscription_has_its_symbols_and_begins_with_what_is_there() -> None:
    fold = Fold(SESSION)
    hub = Hub(fold)
    folded(hub, fold, [second(sym=name) for name in ("AAA", "BBB")])
    some, every = hub.subscribe(["AAA", "CCC"]), hub.subscribe()
    assert taken(some).keys() == {"AAA"}
    assert taken(every).keys() == {"AAA", "BBB"}
    folded(hub, fold, [second(sym=name, s=OPENS + 1000, c=10.0) for name in ("BBB", "CCC")], 10)
    assert taken(some).keys() == {"CCC"}
    assert taken(every).keys() == {"BBB", "CCC"}
    with some, every:
        assert hub.subscriptions == 2
    assert hub.subscriptions == 0
    folded(hub, fold, [second(sym="AAA", s=OPENS + 2000)], 20)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(some.take(), 0.05))


def test_a_name_of_the_feed_is_a_symbol_of_the_lake() -> None:
    fold = Fold(SESSION, {"BHP.AX": "BHP", "BHP": "BHP"}, {"BHP": 8.0})
    hub = Hub(fold)
    subscription = hub.subscribe(["BHP"])
    folded(hub, fold, [second(sym="BHP.AX", av=100)])
    bar = taken(subscription)["BHP"]
    assert (bar["change_percent"], bar["missed"], bar["at"]) == (25.0, 0.0, OPENS + 1000)
    assert "memory" not in bar
    assert bar["session"] == SESSION.date
    assert hub.symbols == {"BHP"}


def test_symbols_are_added_and_removed_while_bars_wait() -> None:
    fold = Fold(SESSION)
    hub = Hub(fold)
    subscription = hub.subscribe(["AAA"])
    folded(hub, fold, [second(sym=name) for name in ("AAA", "BBB", "CCC")])
    subscription.extend(["BBB", "CCC"])
    subscription.reduce(["AAA", "CCC", "DDD"])
    assert taken(subscription).keys() == {"BBB"}
    folded(hub, fold, [second(sym=name, s=OPENS + 1000) for name in ("AAA", "BBB", "CCC")], 10)
    assert taken(subscription).keys() == {"BBB"}
    subscription.wake()
    assert taken(subscription) == {}


def test_subscribers_go_on_with_the_next_session() -> None:
    fold = Fold(SESSION)
    hub = Hub()
    some, every = hub.subscribe(["AAA"]), hub.subscribe()
    hub.begin(fold)
    folded(hub, fold, [second(sym=name) for name in ("AAA", "BBB")])
    following = Fold(replace(SESSION, date="2026-11-26"))
    following.bars = {"AAA": Bar("AAA", close=7.0, events=1)}
    hub.begin(following)
    assert [(bar["session"], bar["close"]) for bar in taken(some).values()] == [("2026-11-26", 7.0)]
    assert taken(every).keys() == {"AAA"}


def test_events_outside_the_session_are_no_bars() -> None:
    fold = Fold(SESSION)
    hub = Hub(fold)
    subscription = hub.subscribe()
    folded(hub, fold, [second(s=OPENS - 1000)])
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(subscription.take(), 0.05))


def test_a_stream_publishes_what_it_folds(tmp_path: Path) -> None:
    events = seconds(10, 60)
    file = tmp_path / "day.jsonl"
    file.write_bytes(b"\n".join(frames(events)))
    newest: dict[str, Any] = {}

    async def run() -> None:
        feed = Replay(Plan(MARKETS["US"], SESSION, speed=100.0), path=file)
        stream = Stream(Lake(str(tmp_path)), feed, Fold(SESSION), "test")
        stream.prepare()

        async def subscribe() -> None:
            async for texts in stream.hub.subscribe(names(5)):
                newest.update({symbol: json.loads(text) for symbol, text in texts.items()})

        subscriber = asyncio.create_task(subscribe())
        await stream.run(asyncio.Event())
        await asyncio.sleep(0.05)
        subscriber.cancel()

    asyncio.run(run())
    want = {symbol: bar for symbol, bar in expected(events).items() if symbol in names(5)}
    assert {
        symbol: (*(bar[c] for c in ("open", "high", "low", "close", "volume")),) for symbol, bar in newest.items()
    } == want
