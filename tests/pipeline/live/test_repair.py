"""Repairs: the bar from the REST API's aggregates and the events that arrived since is that of all events."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.repair import mend
from stockstream.pipeline.live.sources import Plan
from stockstream.pipeline.live.sources.replay import Replay
from stockstream.pipeline.live.stream import Stream
from stockstream.pipeline.markets import MARKETS
from tests.pipeline.live.feed import OPENS, SESSION, expected, frames, seconds
from tests.pipeline.live.test_fold import prices, second


def events_of(raw: list[dict[str, Any]]) -> list[Any]:
    return decode(json.dumps(raw).encode(), Counter())


def answer_of(raw: list[dict[str, Any]]) -> list[Any]:
    """Return events as the REST API has them: neither the day's volume nor the official open."""
    return events_of([{name: value for name, value in one.items() if name not in ("av", "op")} for one in raw])


@given(st.integers(0, 2**32))
def test_a_repaired_bar_is_that_of_all_events(seed: int) -> None:
    rng = random.Random(seed)
    raw = seconds(["AAA"], rng.randrange(20, 1200), start=OPENS - 5000, seed=seed)
    planned = rng.randrange(1, len(raw))
    kept = [one for one in raw[:planned] if rng.random() < 0.7] or raw[:1]
    fold = Fold(SESSION)
    fold.apply("1", events_of(kept))
    arrived = events_of(raw[planned:])  # since the repair was planned
    fold.apply("2", arrived)
    has = rng.randrange(planned, len(raw) + 1)  # the answer ends somewhere behind the plan
    was_missing = bool(fold.bars["AAA"].missed)
    assert mend(fold, "AAA", answer_of(raw[:has]), arrived) == was_missing
    assert fold.bars["AAA"].missed == 0
    assert prices(fold) == {name: bar for name, bar in expected(raw).items() if fold.bars["AAA"].events}
    fold.apply("3", events_of(raw[-5:]))  # sent again
    assert fold.bars["AAA"].missed == 0


def test_an_answer_that_ends_too_early_changes_nothing() -> None:
    raw = seconds(["AAA"], 60)
    fold = Fold(SESSION)
    fold.apply("1", events_of([raw[0], *raw[30:]]))
    before = prices(fold), fold.bars["AAA"].missed
    assert not mend(fold, "AAA", answer_of(raw[:10]), [])
    assert (prices(fold), fold.bars["AAA"].missed) == before
    assert not mend(fold, "AAA", [], [])
    assert (prices(fold), fold.bars["AAA"].missed) == before


def test_an_event_ahead_of_the_clock_is_in_no_repaired_bar() -> None:
    """It would make all events before it too late."""
    raw = seconds(["AAA"], 60)
    stray = {**raw[-1], "s": raw[-1]["s"] + 3_600_000, "e": raw[-1]["e"] + 3_600_000}
    fold = Fold(SESSION)
    fold.until = raw[-1]["s"] + 900_000
    fold.apply("1", events_of([raw[0], *raw[20:50]]))
    arrived = events_of([stray, *raw[50:]])
    fold.apply("2", arrived)
    assert fold.counts["ahead of the clock"] == 1
    assert mend(fold, "AAA", answer_of(raw), arrived)
    assert prices(fold) == expected(raw)
    assert fold.bars["AAA"].missed == 0


def test_an_answer_that_is_ahead_of_the_feed_makes_nothing_negative() -> None:
    raw = seconds(["AAA"], 60)
    fold = Fold(SESSION)
    fold.apply("1", events_of([raw[0], *raw[20:30]]))
    assert mend(fold, "AAA", answer_of(raw), [])
    assert fold.bars["AAA"].missed == 0
    fold.apply("2", events_of(raw[30:]))
    assert prices(fold) == expected(raw)
    assert fold.bars["AAA"].missed == 0


def test_a_bar_keeps_what_it_knows_about_the_day_before() -> None:
    fold = Fold(SESSION, closes={"BHP": 9.0}, splits={"BHP": 2.0})
    fold.apply("7", events_of([second(av=300, op=9.5)]))
    assert mend(fold, "BHP", answer_of([second(s=OPENS - 1000, v=200), second()]), [])
    bar = fold.bars["BHP"]
    assert (bar.previous_close, bar.split_ratio, bar.open, bar.position, bar.missed) == (9.0, 2.0, 9.5, "7", 0.0)


def test_a_stream_ends_with_its_session(tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl"
    file.write_bytes(b"\n".join(frames(seconds(3, 3000))))
    feed = Replay(Plan(MARKETS["US"], SESSION, speed=1.0), path=file)
    stream = Stream(Lake(str(tmp_path)), feed, Fold(SESSION), "test", ends_at=time.time() + 0.5)
    stream.prepare()
    status = asyncio.run(asyncio.wait_for(stream.run(asyncio.Event()), 20))
    assert 0 < status["events"] < 3000
