"""Live bars over HTTP: from a recorded feed to the events, rows and websockets of a server in its own process."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import requests

from stockstream import analytics
from stockstream.sql.errors import StockStreamError, UsageError
from tests.analytics.serving.recording import EVENTS, lake_with_feed
from tests.analytics.serving.server import Server, start
from tests.analytics.serving.test_door import make_key
from tests.pipeline.live.feed import expected

PRICES = ["open", "high", "low", "close", "volume"]


class Stream:
    """An open stream of server-sent events, as a browser reads it."""

    def __init__(self, server: Server, query: str = "", **headers: str) -> None:
        self.answer = requests.get(f"{server.address}/v1/stream{query}", stream=True, timeout=60, headers=headers)
        self.lines: Iterator[bytes] = self.answer.iter_lines(chunk_size=1) if self.answer.ok else iter(())
        self.id = ""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        name, until = "", time.monotonic() + 120
        for line in self.lines:
            assert time.monotonic() < until, "the event that is waited for has not come"
            field, _, value = line.decode().rstrip().partition(": ")
            if field == "id":
                self.id = value
            elif field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)

    def until(self, name: str, **values: Any) -> list[tuple[str, Any]]:
        """Return the events up to one with these values."""
        events = []
        for event in self:
            events.append(event)
            if event[0] == name and values.items() <= event[1].items():
                return events
        raise AssertionError(events)

    def close(self) -> None:
        self.answer.close()


def newest(events: list[tuple[str, Any]]) -> dict[str, tuple[float, ...]]:
    return {bar["symbol"]: tuple(bar[name] for name in PRICES) for name, bar in events if name == "bar"}


def test_rows_are_those_of_the_independent_sum_in_all_formats(live: Server) -> None:
    answer = live.get("/v1/live")
    assert {row["symbol"]: tuple(row[name] for name in PRICES) for row in answer.json()["bars"]} == expected(EVENTS)
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    assert "x-generation" not in answer.headers
    frame = analytics.remote(live.address).live("ibm")
    assert frame.select("symbol", *PRICES).rows() == [("IBM", *expected(EVENTS)["IBM"])]
    with analytics.connect(live.lake) as con:
        view = con.sql("FROM live ORDER BY symbol").pl()
    assert_same = analytics.remote(live.address).live()
    assert assert_same.drop("saved_at").rows() == view.drop("saved_at").rows()
    assert assert_same.columns == view.columns
    assert live.get("/v1/live", "text/csv").text.startswith('"symbol","session","open"')
    assert live.get("/v1/live?symbols=IBMM").status_code == 404
    assert live.get("/v1/live?symbol=IBM").status_code == 422
    assert live.get("/v1/live", "image/png").status_code == 406


def test_a_stream_begins_with_the_state_and_the_bars_that_are_there(live: Server) -> None:
    stream = Stream(live, "?symbols=ibm,FB,AAPL")
    assert stream.answer.headers["content-type"].startswith("text/event-stream")
    events = []
    for event in stream:
        events.append(event)
        if len(newest(events)) == 3:
            break
    assert events[0][0] == "status"
    assert (events[0][1]["state"], events[0][1]["session"]) == ("ended", "2026-11-25")
    assert newest(events) == expected(EVENTS)
    stream.close()


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("?symbols=IBMM", 404, "did you mean IBM?"),
        ("?interval=0.1", 422, "interval"),
        ("?intervall=1", 422, "did you mean interval?"),
        ("?symbols=" + ",".join(f"S{n}" for n in range(501)), 404, "no bars of"),
    ],
)
def test_what_is_wrong_with_a_stream_is_named(live: Server, query: str, status: int, text: str) -> None:
    answer = live.get(f"/v1/stream{query}")
    assert answer.status_code == status
    assert text in answer.json()["detail"]


def test_a_caller_has_a_number_of_streams(live: Server) -> None:
    streams = [Stream(live) for _ in range(3)]
    refused = live.get("/v1/stream")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    for stream in streams:
        stream.close()
    until = time.monotonic() + 30
    while live.get("/metrics").text.count("stockstream_streams 0.0") == 0:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert 'stockstream_streams_refused_total{limit="caller"} 1.0' in live.get("/metrics").text


def test_a_websocket_changes_its_symbols_and_names_what_is_wrong(live: Server) -> None:
    websockets = pytest.importorskip("websockets")
    address = live.address.replace("http", "ws") + "/v1/ws?interval=0.25"

    async def run() -> None:
        async with websockets.connect(address) as socket:
            waiting: list[Any] = []

            async def until(name: str) -> Any:
                while True:
                    while waiting:
                        event = waiting.pop(0)
                        if event["event"] == name:
                            return event["data"]
                    waiting.extend(json.loads(await asyncio.wait_for(socket.recv(), 30)))

            async def sent(message: object, name: str) -> Any:
                await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
                return await until(name)

            assert (await until("status"))["state"] == "ended"
            assert await sent({"action": "subscribe", "symbols": ["ibm"]}, "subscribed") == {"symbols": ["IBM"]}
            bar = await until("bar")
            assert tuple(bar[name] for name in PRICES) == expected(EVENTS)["IBM"]
            assert await sent({"action": "subscribe", "symbols": ["FB"]}, "subscribed") == {"symbols": ["FB", "IBM"]}
            assert (await until("bar"))["symbol"] == "FB"
            assert await sent({"action": "unsubscribe", "symbols": ["IBM"]}, "subscribed") == {"symbols": ["FB"]}
            assert await sent({"action": "ping"}, "pong") == {}
            for message, text in [
                ("{", "JSON"),
                (b"\x00", "a message is text"),
                ({"action": "buy"}, "buy"),
                ({"action": "subscribe"}, "needs symbols"),
                ({"action": "subscribe", "symbols": ["IBMM"]}, "did you mean IBM?"),
                ({"action": "ping", "x": 1}, "x"),
            ]:
                assert text in (await sent(message, "error"))["detail"]
        for header, status in (("https://evil.example", 403), (live.address, 101)):
            try:
                async with websockets.connect(address, additional_headers={"Origin": header}):
                    code = 101
            except websockets.InvalidStatus as error:
                code = error.response.status_code
            assert code == status
        with pytest.raises(websockets.InvalidStatus, match="422"):
            async with websockets.connect(address + "&x=1"):
                pass

    asyncio.run(run())


def test_a_server_without_live_bars_says_so(server: Server) -> None:
    for path in ("/v1/live", "/v1/stream"):
        answer = server.get(path)
        assert answer.status_code == 404
        assert "--live" in answer.json()["detail"]
    assert "live" not in server.json("/health")
    assert "EventSource" not in server.get("/", "text/html").text


def test_bars_arrive_as_they_change_and_the_end_is_an_event(lake: str, tmp_path: Path) -> None:
    copy, file = lake_with_feed(lake, tmp_path)
    key, line = make_key("anna", "live")
    (tmp_path / "keys").write_text(line)
    running = start(copy, "--live", f"replay:{file}", "--speed", "4", "--keys", str(tmp_path / "keys"))
    headers = {"Authorization": f"Bearer {key}"}
    assert Stream(running).answer.status_code == 401
    answer = requests.post(f"{running.address}/v1/tickets", headers=headers, timeout=60)
    ticket = answer.json()["ticket"]
    assert answer.json()["seconds"] == 60
    stream = Stream(running, f"?symbols=IBM&interval=0.25&ticket={ticket}")
    again = Stream(running, f"?ticket={ticket}").answer
    assert again.status_code == 401, "a ticket is good once"
    events = iter(stream)
    bars = []
    for name, data in events:
        if name == "bar":
            bars.append(data)
        if len(bars) == 3:
            break
    assert [bar["at"] for bar in bars] == sorted({bar["at"] for bar in bars})
    remote = analytics.remote(running.address, key)
    received = remote.stream("IBM", interval=0.25)
    assert next(name for name, _ in received) == "status"
    assert next(data["symbol"] for name, data in received if name == "bar") == "IBM"
    received.close()

    idle = socket.create_connection(("127.0.0.1", int(running.address.rsplit(":", 1)[1])))  # reads nothing
    idle.sendall(f"GET /v1/stream?symbols=IBM HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n\r\n".encode())
    assert idle.recv(12).startswith(b"HTTP/1.1 200")
    running.process.send_signal(signal.SIGTERM)
    last = [*events][-1]
    assert last[0] == "status"
    assert last[1]["state"] == "stopping"
    running.process.wait(60)  # a second signal would end it at once
    code, log = running.stop()
    idle.close()
    assert code == 143
    assert ticket not in log
    assert key not in log
    assert "Traceback" not in log
    assert "exceeded" not in log, "a stream was still open after 3 s"


def test_another_process_streams_and_the_server_follows_its_states(lake: str, tmp_path: Path) -> None:
    from tests.analytics.test_cli import run_cli

    copy, file = lake_with_feed(lake, tmp_path)
    (tmp_path / "any_trade.sql").write_text(
        "/* ---\nname: any_trade\ntitle: Any trade\nseverity: info\nchannels: []\nruns: live\nneeds: [live]\n--- */\n"
        "SELECT symbol, close AS value, symbol || ' trades' AS message FROM live"
    )
    following = start(copy, "--live", "state")
    assert following.get("/v1/live").status_code == 409
    stream = Stream(following, "?symbols=IBM")
    first = next(iter(stream))
    assert first[1]["state"] == "waiting"
    ran = run_cli(
        "stream", "--source", f"replay:{file}", "--lake", str(copy), "--sql-path", str(tmp_path / "any_trade.sql")
    )
    assert ran.code == 0, ran.err
    events = stream.until("bar", symbol="IBM")
    bars = newest(events)
    while bars["IBM"] != expected(EVENTS)["IBM"]:
        bars = newest(stream.until("bar", symbol="IBM"))
    page = following.get("/alerts", "text/html").text
    assert "Any trade" in page
    assert "IBM trades" in page
    stream.close()
    following.stop()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--live", "replay:nowhere.jsonl"), "there is no such file"),
        (("--live", "polygn"), "did you mean polygon?"),
        (("--live", "redis"), "--redis URL"),
        (("--live", "state", "--redis", "http://x"), "redis://"),
    ],
)
def test_what_is_wrong_with_the_options_is_named_at_once(lake: str, options: tuple[str, ...], text: str) -> None:
    from tests.analytics.test_cli import run_cli

    ended = run_cli("serve", "--lake", lake, *options)
    assert ended.code == 2
    assert text in ended.err
    assert "Traceback" not in ended.err


def test_a_client_of_a_server_that_refuses(server: Server, live: Server) -> None:
    with pytest.raises(UsageError, match="--live"):
        analytics.remote(server.address).live()
    with pytest.raises(UsageError, match="did you mean IBM"):
        next(analytics.remote(live.address).stream("IBMM"))
    with pytest.raises(StockStreamError, match="cannot be reached"):
        next(analytics.remote("http://127.0.0.1:1").stream("IBM"))
    assert isinstance(analytics.remote(live.address).live("FB"), pl.DataFrame)
