"""Streams of a feed that runs: the vendors' websockets, a reader that does not read, and what a reconnect brings."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.analytics.serving.recording import wait_for
from tests.analytics.serving.server import Server, start
from tests.analytics.serving.test_live import Stream
from tests.analytics.test_cli import run_cli
from tests.pipeline.live.day import BEFORE
from tests.pipeline.live.exchange import KEY, Exchange
from tests.pipeline.live.feed import OPENS, names
from tests.pipeline.live.test_fold import second
from tests.pipeline.live.test_yahoo_feeds import message
from tests.polygon_vendor import Vendor

SYMBOLS = names(300)
ROUNDS = 8
"""More messages than the buffers between the server and a reader hold."""
CLOCK = OPENS + 60_000
STREAMS = 6


class Paced(Exchange):
    """A server of frames that it sends when the test adds them."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.frames: deque[bytes] = deque()
        self.round = 0

    async def deliver(self, socket: Any) -> None:
        while socket.close_code is None:
            while self.frames:
                await socket.send(self.frames.popleft().decode())
            await asyncio.sleep(0.01)

    def trade(self, price: float, *symbols: str) -> None:
        """Send a second in which symbols (none: all) trade at a price; all have traded in each second before."""
        at = OPENS + 1000 * self.round
        self.round += 1
        values = {"s": at, "e": at + 1000, "v": 10, "av": 10 * self.round, **dict.fromkeys("ohlc", price)}
        self.frames.append(json.dumps([second(sym=one, op=100.0, **values) for one in symbols or SYMBOLS]).encode())


class PacedYahoo(Paced):
    """The same in Yahoo's protocol."""

    async def _client(self, socket: Any) -> None:
        self.subscriptions.append(json.loads(await socket.recv())["subscribe"])
        await self.deliver(socket)


class Raw(Stream):
    """A stream over a socket of its own; if its reader is late, little fits between it and the server before."""

    def __init__(self, server: Server, query: str, is_late: bool = False) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(60)
        if is_late:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # the server's buffer follows from it
        self._socket.connect(("127.0.0.1", int(server.address.rsplit(":", 1)[1])))
        self._socket.sendall(f"GET /v1/stream{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        self.lines = self._read()
        self.id = ""

    def _read(self) -> Iterator[bytes]:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        answer = http.client.HTTPResponse(self._socket)
        answer.begin()
        yield from answer

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)  # its file is still open
        self._socket.close()


@pytest.fixture(scope="module")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a day of the symbols."""
    folder = tmp_path_factory.mktemp("streams") / "lake"
    publish(folder, SYMBOLS)
    return folder


def publish(lake: Path, symbols: list[str]) -> None:
    """Publish a generation with the session before, in which symbols close at 100."""
    file = lake.parent / f"{symbols[0]}.csv"
    lines = [f"{name},{BEFORE[-1]},100,100,100,100,1000" for name in symbols]
    file.write_text("\n".join(["symbol,date,open,high,low,close,volume", *lines, ""]))
    days = ["--start", BEFORE[-1], "--end", BEFORE[-1], "--market", "US"]
    source = ["--source", f"files:{file}", "--prices", "as-traded", "--symbols", ",".join(symbols)]
    ended = run_cli("backfill", "--lake", str(lake), *days, *source)
    assert ended.code == 0, ended.err


@pytest.fixture(scope="module")
def exchange() -> Iterator[Paced]:
    with Paced().in_thread() as running:
        assert isinstance(running, Paced)
        yield running


@pytest.fixture(scope="module")
def polygon(small_lake: Path, exchange: Paced) -> Iterator[Server]:
    """A server with the stream of a real websocket."""
    with Vendor() as vendor:
        started = start(
            small_lake,
            *("--live", "polygon", "--max-streams", str(STREAMS), "--rate", "100000", "--burst", "100000"),
            at=CLOCK,
            POLYGON_API_KEY=KEY,
            STOCKSTREAM_POLYGON_STREAM_URL=exchange.url,
            STOCKSTREAM_POLYGON_URL=vendor.url,
            STOCKSTREAM_POLYGON_CALLS_PER_MINUTE="100000",
        )
        wait_for(started, "streaming")
        yield started
        started.stop()


def received(stream: Stream, events: int) -> list[dict[str, Any]]:
    """Return the bars of a stream until each symbol has a number of events."""
    bars, open_symbols = [], {*SYMBOLS}
    for name, data in stream:
        if name == "bar":
            bars.append(data)
            if data["events"] == events:
                open_symbols.discard(data["symbol"])
        if not open_symbols:
            return bars
    raise AssertionError(bars)


def test_a_reader_that_does_not_read_costs_nothing_and_has_the_newest_bars_at_the_end(
    polygon: Server, exchange: Paced
) -> None:
    query = f"?symbols={','.join(SYMBOLS)}&interval=0.25"
    late, reader = Raw(polygon, query, is_late=True), Raw(polygon, query)
    for number in range(ROUNDS):
        exchange.trade(100 + number / 100)
        received(reader, exchange.round)  # while the other one does not read
    bars = received(late, exchange.round)
    assert len(bars) < ROUNDS * len(SYMBOLS), "states waited for a reader"
    newest = {bar["symbol"]: (bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"]) for bar in bars}
    last = 100 + (ROUNDS - 1) / 100
    assert newest == dict.fromkeys(SYMBOLS, (100.0, last, 100.0, last, 10.0 * ROUNDS))
    assert {bar["missed"] for bar in bars} == {0}
    assert exchange.subscriptions[0] == "A.*"
    late.close()
    reader.close()


def test_a_reconnect_brings_the_alerts_since_the_last_event(polygon: Server, exchange: Paced) -> None:
    before, during = SYMBOLS[:2]
    first, witness = Stream(polygon, f"?symbols={before},{during}"), Stream(polygon)
    exchange.trade(106.0, before)
    assert first.until("alert", symbol=before)[-1][1]["rule"] == "move"
    first.close()
    exchange.trade(106.0, during)
    witness.until("alert", symbol=during)
    witness.close()
    again = Stream(polygon, f"?symbols={before},{during}", **{"Last-Event-ID": first.id})
    assert [data["symbol"] for name, data in again.until("bar") if name == "alert"] == [during]
    new = Stream(polygon, f"?symbols={before},{during}")
    assert "alert" not in [name for name, _ in new.until("bar")], "a page that is opened has them already"
    again.close()
    new.close()


def test_a_generation_that_is_published_is_an_event(polygon: Server, small_lake: Path) -> None:
    stream = Stream(polygon, f"?symbols={SYMBOLS[0]}")
    assert next(iter(stream))[0] == "status"
    publish(small_lake, ["NEW"])
    number = stream.until("generation")[-1][1]["generation"]
    assert polygon.json("/v1/status")["generation"] == number > polygon.generation
    assert polygon.get("/v1/bars/NEW").status_code == 200
    stream.close()


def test_a_server_has_a_number_of_streams(polygon: Server) -> None:
    none = "stockstream_streams 0.0"
    until = time.monotonic() + 60
    while none not in polygon.get("/metrics").text:  # those of the tests before have ended
        assert time.monotonic() < until
        time.sleep(0.05)
    streams = [Stream(polygon) for _ in range(STREAMS)]
    refused = polygon.get("/v1/stream")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert f"there are {STREAMS} streams" in refused.json()["detail"]
    assert 'stockstream_streams_refused_total{limit="all"} 1.0' in polygon.get("/metrics").text
    for stream in streams:
        stream.close()


@pytest.mark.large
def test_yahoo_over_its_websocket(small_lake: Path, tmp_path: Path) -> None:
    symbol, lake = SYMBOLS[0], tmp_path / "lake"
    shutil.copytree(small_lake, lake, ignore=shutil.ignore_patterns("live"))  # a session has one stream at a time
    with PacedYahoo().in_thread() as yahoo:
        assert isinstance(yahoo, PacedYahoo)
        server = start(lake, "--live", "yahoo", at=CLOCK, STOCKSTREAM_YAHOO_STREAM_URL=yahoo.url)
        stream = Stream(server, f"?symbols={symbol}&interval=0.25")
        day = {"day_high": 103.0, "day_low": 99.0, "open_price": 100.0, "previous_close": 100.0}
        for price in (101.5, 102.25):
            at = OPENS + round(1000 * price)
            yahoo.frames.append(message(id=symbol, price=price, time=at, day_volume=700, **day))
            *_, (_, bar) = stream.until("bar", close=price)
        assert (bar["open"], bar["high"], bar["low"], bar["volume"]) == (100.0, 103.0, 99.0, 700.0)
        assert symbol in yahoo.subscriptions[0]
        stream.close()
        server.stop()
