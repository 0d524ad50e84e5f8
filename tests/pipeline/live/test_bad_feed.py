"""A vendor that misbehaves: messages that are none, refusals, a clock that jumps, and answers that cannot be read."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live import connection
from stockstream.pipeline.live.fold import WINDOW, Fold, Session
from stockstream.pipeline.live.stream import Stream
from tests.pipeline.live.exchange import AUTHENTICATED, CONNECTED, Exchange
from tests.pipeline.live.feed import SESSION, expected, frames, seconds
from tests.pipeline.live.test_fold import day, fold_of, prices, second
from tests.pipeline.live.test_polygon_feed import api_of, feed_at, until, volume_of
from tests.polygon_vendor import Vendor, ok


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "QUIET", 5.0)
    monkeypatch.setattr(connection, "MAX_WAIT", 0.05)


def streamed(folder: Path, handle: Any, volume: float, session: Session = SESSION) -> tuple[Stream, dict[str, Any]]:
    """Stream from a server until the bars have a volume."""

    async def run() -> tuple[Stream, dict[str, Any]]:
        exchange = Exchange([], [])
        async with exchange.serving(handle):
            feed = feed_at(exchange.url)
            feed.silence = 5.0
            stream = Stream(Lake(str(folder)), feed, Fold(session), "polygon")
            stream.prepare()
            return stream, await until(stream, volume)

    return asyncio.run(run())


async def greet(socket: Any) -> None:
    await socket.send(CONNECTED)
    await socket.recv()
    await socket.send(AUTHENTICATED)
    await socket.recv()


def test_frames_that_are_no_events_do_not_end_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_FRAME", 1 << 20)
    events = seconds(4, 30)
    listed = frames(events)
    connections = 0

    async def handle(socket: Any) -> None:
        nonlocal connections
        connections += 1
        await greet(socket)
        if connections == 1:
            for bad in (b"\x00\xff\xfe", b"", "[", "é" * 1000, b"[" * 50_000, '[{"ev":["A"]}]'):
                await socket.send(bad)
            await socket.send(listed[0].decode())
            await socket.send("x" * (1 << 21))  # too large: the connection is left
        for frame in listed[1:]:
            await socket.send(frame.decode())
        await socket.wait_closed()

    stream, status = streamed(tmp_path, handle, volume_of(events))
    assert prices(stream.fold) == expected(events)
    assert status["not_used"]["malformed frame"] == 5
    assert status["not_used"]["malformed event"] == 1
    assert (connections, status["connection"]["lost"]) == (2, 1)


def test_what_the_vendor_reports_is_in_the_status(tmp_path: Path) -> None:
    """Too many connections, and a subscription that is refused, with the vendor's words."""
    events = seconds(2, 5)
    refusals = ["Maximum number of connections exceeded.", "not authorized for A.ZZZ with good-key"]

    async def handle(socket: Any) -> None:
        if len(refusals) == 2:
            message = {"ev": "status", "status": "max_connections", "message": refusals.pop(0)}
            await socket.send(json.dumps([message]))
            await socket.close()
            return
        await greet(socket)
        await socket.send(json.dumps([{"ev": "status", "status": "error", "message": refusals[0]}]))
        for frame in frames(events):
            await socket.send(frame.decode())
        await socket.wait_closed()

    _, status = streamed(tmp_path, handle, volume_of(events))
    assert status["connection"]["vendor_errors"] == 2
    assert status["connection"]["vendor"] == "not authorized for A.ZZZ with ***"


def test_an_event_ahead_of_the_clock_does_not_make_the_others_too_late(tmp_path: Path) -> None:
    now = int(time.time()) * 1000
    today = replace(SESSION, opens=now - 7_200_000, closes=now + 7_200_000)
    today = replace(today, day_from=now - 36_000_000, day_until=now + 36_000_000)
    events = [second(s=now - 3_600_000 + 1000 * number) for number in range(5)]
    stray = second(s=now + 3_600_000, h=99.0)

    async def handle(socket: Any) -> None:
        await greet(socket)
        for event in (events[0], stray, *events[1:]):
            await socket.send(json.dumps([event]))
        await socket.wait_closed()

    stream, status = streamed(tmp_path, handle, 500, today)
    assert status["not_used"] == {"ahead of the clock": 1}
    assert prices(stream.fold) == {"BHP": (10.0, 10.0, 10.0, 10.0, 500.0)}
    assert stream.fold.until <= round(1000 * time.time()) + WINDOW


@pytest.mark.parametrize(
    "row",
    [{"o": "abc"}, {"v": "100"}, {"t": 1.5}, {"c": None}, "text"],
)
def test_an_answer_of_the_rest_api_that_cannot_be_read_is_a_failure_with_its_place(row: Any) -> None:
    good = {"t": SESSION.opens, "v": 1, "o": 1.0, "h": 1.0, "l": 1.0, "c": 1.0}
    path = f"/v2/aggs/ticker/AAA/range/1/second/{SESSION.day_from}/{SESSION.day_until - 1}"
    with Vendor() as vendor:
        vendor.routes[path] = lambda _: ok([good, good | row if isinstance(row, dict) else row])
        feed = feed_at("")
        feed.api = api_of(vendor)
        with pytest.raises(SourceError, match=r"an aggregate that cannot be read .*results\[1\]"):
            feed.day_events("AAA")


def test_reports_of_the_day_that_contradict_themselves_are_not_used() -> None:
    bad = [day(h=9.0, l=11.0), day(h=9.9, o=10.5), day(v=-1), day(p=-1.0)]
    fold = fold_of([*bad, day()])
    assert fold.counts == {"impossible price": 3, "impossible volume": 1}
    assert prices(fold) == {"BHP": (9.5, 10.2, 9.4, 10.0, 1000.0)}


def test_the_last_report_of_a_second_is_the_close() -> None:
    reports = [day(p=10.0, v=1000), day(p=10.1, v=1500), day(p=10.1, v=1500), day(p=10.0, v=1000)]
    fold = fold_of(reports)
    assert prices(fold) == {"BHP": (9.5, 10.2, 9.4, 10.1, 1500.0)}
    assert fold.counts == {"duplicate": 2}


@pytest.mark.parametrize(("previous_close", "ratio"), [(1.0, 10.0), (0.001, 1.0), (5.0, 1.0), (-1.0, 1.0)])
def test_a_previous_close_is_that_of_a_split_only_if_the_price_agrees(previous_close: float, ratio: float) -> None:
    price = 10.0 / ratio
    report = day(p=price, o=price, h=price, l=price, pc=previous_close)
    fold = fold_of([report], closes={"BHP": 10.0}, recent={"BHP"})
    bar = fold.bars["BHP"]
    assert (bar.split_ratio, bar.previous_close) == (ratio, previous_close if ratio != 1 else 10.0)
    assert fold.counts["impossible previous close"] == (ratio == 1)
