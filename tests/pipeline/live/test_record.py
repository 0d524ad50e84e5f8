"""`stockstream record`, and how `stream` and `record` end on a closed market or a wrong key."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import time_machine
from typer.testing import CliRunner

from stockstream.analytics.cli.application import app
from stockstream.pipeline.configuration import settings
from stockstream.sql.errors import StockStreamError
from tests.pipeline.live.exchange import KEY, Exchange
from tests.pipeline.live.feed import OPENS, expected, frames, seconds
from tests.pipeline.live.test_stream import live, record, stream


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    error = result.exception
    if isinstance(error, StockStreamError):
        return error.exit_code, result.stdout, str(error)
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return result.exit_code, result.stdout, ""


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """Return a server in a thread of its own, whose second connection has nothing to send."""
    server, ready, stop = Exchange([frames(seconds(4, 30))], ["stay"]), Event(), Event()

    async def serve() -> None:
        async with server.serving():
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.05)

    thread = Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield server
    stop.set()
    thread.join(10)


@pytest.fixture(autouse=True)
def _fresh_settings() -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize("name", ["copy.jsonl", "copy.jsonl.gz"])
def test_a_recording_is_replayed_to_the_same_bars(name: str, tmp_path: Path) -> None:
    events = seconds(4, 30)
    source = record(tmp_path / "day.jsonl", events)
    file = tmp_path / name
    code, out, _ = run(
        "record", str(file), "--source", source, "--lake", str(tmp_path / "a"), "--market", "US", "--json"
    )
    assert code == 0
    assert json.loads(out)["frames"] == len(frames(events))
    data = gzip.decompress(file.read_bytes()) if name.endswith(".gz") else file.read_bytes()
    assert data.splitlines() == frames(events)
    stream(f"replay:{file}", tmp_path / "b")
    assert live(tmp_path / "b") == expected(events)
    code, _, message = run("record", str(file), "--source", source, "--lake", str(tmp_path / "a"))
    assert (code, message) == (2, f"{file} exists: name a new file, or delete it")


def in_session(seconds_after: int = 3600) -> Any:
    return time_machine.travel(datetime.fromtimestamp(OPENS / 1000 + seconds_after, UTC), tick=True)


def test_a_feed_is_recorded_for_some_seconds(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    monkeypatch.setenv("STOCKSTREAM_POLYGON_STREAM_URL", exchange.url)
    file, lake = tmp_path / "feed.jsonl", tmp_path / "lake"
    options = ("--lake", str(lake), "--market", "US", "--seconds", "2", "--json")
    with in_session():
        code, out, message = run("record", str(file), "--source", "polygon", *options)
    assert code == 0, message
    assert file.read_bytes().splitlines() == frames(seconds(4, 30))
    assert json.loads(out)["connection"]["connections"] == 1
    assert not (lake / "live/connections/polygon.json").exists()


def test_a_wrong_key_ends_the_command_with_one_line(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", "wrong-key")
    monkeypatch.setenv("STOCKSTREAM_POLYGON_STREAM_URL", exchange.url)
    with in_session():
        options = ("--source", "polygon", "--lake", str(tmp_path / "lake"), "--market", "US")
        code, _, message = run("record", str(tmp_path / "f.jsonl"), *options)
    assert (code, message) == (1, "polygon refuses the key of POLYGON_API_KEY: authentication failed")


@pytest.mark.parametrize("arguments", [("stream",), ("record", "{file}")])
def test_a_closed_market_is_an_error_that_says_when_it_opens(arguments: tuple[str, ...], tmp_path: Path) -> None:
    closed = datetime.fromtimestamp(OPENS / 1000, UTC) + timedelta(days=1)  # Thanksgiving
    filled = [one.format(file=tmp_path / "f.jsonl") for one in arguments]
    with time_machine.travel(closed, tick=True):
        code, _, message = run(*filled, "--source", "yahoo", "--lake", str(tmp_path / "lake"), "--market", "US")
    assert code == 2
    assert message == "US is closed: it opens 2026-11-27 09:30 America/New_York (--wait waits for it)"
