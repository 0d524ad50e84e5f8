"""Several servers with one real Redis: live bars, the number of requests and tickets, also while it is down."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.analytics.serving.recording import EVENTS, lake_with_feed, wait_for
from tests.analytics.serving.server import Server, start
from tests.analytics.serving.test_door import make_key
from tests.analytics.serving.test_live import PRICES, Stream, newest
from tests.pipeline.live.feed import expected

PROGRAM = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no redis-server")
BURST = 12


@dataclass
class RedisServer:
    """A Redis in a process of its own, which can die and come back empty."""

    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(PROGRAM), "--port", str(self.port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@dataclass
class Pair:
    """A server with the source, and one that follows it."""

    redis: RedisServer
    first: Server
    second: Server
    key: str


@pytest.fixture(scope="module")
def pair(lake: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pytest.importorskip("redis")
    folder = tmp_path_factory.mktemp("shared")
    copy, file = lake_with_feed(lake, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        redis = RedisServer(free.getsockname()[1])
    redis.start()
    key, line = make_key("anna", "read,live")
    (folder / "keys").write_text(line)
    shared = ("--redis", f"redis://127.0.0.1:{redis.port}/0", "--keys", str(folder / "keys"), "--rate", "0.01")
    first = start(copy, "--live", f"replay:{file}", *shared, "--burst", str(BURST))
    second = start(copy, "--live", "redis", *shared, "--burst", str(BURST))
    wait_for(first, "ended 2026-11-25")
    wait_for(second, "ended 2026-11-25")
    yield Pair(redis, first, second, key)
    for server in (first, second):
        server.stop()
    redis.kill()


def test_servers_share_live_bars_numbers_of_requests_and_tickets_until_redis_dies(pair: Pair) -> None:
    headers = {"X-API-Key": pair.key}
    rows = pair.second.get("/v1/live", **headers).json()["bars"]  # 1
    assert {row["symbol"]: tuple(row[name] for name in PRICES) for row in rows} == expected(EVENTS)
    assert {row["missed"] for row in rows} == {0.0}
    stream = Stream(pair.second, "?symbols=IBM", **headers)  # 2
    assert newest(stream.until("bar", symbol="IBM"))["IBM"] == expected(EVENTS)["IBM"]
    stream.close()
    issued = [
        requests.post(f"{pair.first.address}/v1/tickets", headers=headers, timeout=60).json()["ticket"]  # 3, 4
        for _ in range(2)
    ]
    opened = Stream(pair.second, f"?ticket={issued[0]}")  # 5
    assert opened.answer.status_code == 200
    opened.close()
    for server in (pair.first, pair.second):
        assert server.get(f"/v1/stream?ticket={issued[0]}").status_code == 401
    assert pair.first.json("/health")["redis"] == "ok"

    def ask(number: int) -> int:
        server = (pair.first, pair.second)[number % 2]
        return server.get("/v1/status", **headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(2 * BURST)))
    assert statuses.count(200) == BURST - 5, "both servers take from one bucket"
    assert statuses.count(429) == BURST + 5

    pair.redis.kill()
    statuses = [pair.first.get("/v1/status", **headers).status_code for _ in range(BURST + 1)]
    assert statuses == [200] * BURST + [429], "the server goes on with its own bucket"
    assert pair.first.json("/health")["redis"].startswith("fault")
    wait_for(pair.second, "failed")
    assert pair.second.get("/v1/live", **headers).status_code == 200, "the newest bars stay"
    pair.redis.start()
    wait_for(pair.first, "'redis': 'ok'")
    wait_for(pair.second, "ended 2026-11-25")
    log = pair.first.log.read_text()
    assert [json.loads(line)["message"] for line in log.splitlines() if "Redis answers again" in line]
    assert sum("without Redis" in line for line in log.splitlines()) >= 1


def test_a_server_starts_without_redis(lake: str, tmp_path: Path) -> None:
    started = start(lake, "--redis", "redis://127.0.0.1:1/0")
    assert started.json("/v1/status")["generation"] == 1
    assert started.json("/health")["redis"].startswith("fault")
    assert "stockstream_redis 0.0" in started.get("/metrics").text
    assert started.stop()[0] == 130
