"""A day of 500 symbols on a laptop: from a websocket that breaks off to the views, against polars, to the last bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from stockstream.analytics import connect
from tests.pipeline.live.aggregation import (
    assert_bars_live_equal,
    assert_live_equals,
    bars_live_of,
    counts_of,
    events_of,
    live_of,
    rest_of,
)
from tests.pipeline.live.clock import command_at
from tests.pipeline.live.day import SPLIT, MarketDay, market_day
from tests.pipeline.live.exchange import KEY, Exchange
from tests.pipeline.live.feed import SESSION
from tests.pipeline.live.test_stream import stream
from tests.polygon_vendor import Vendor, ok, split

SECONDS = 180
"""For which a loaded machine may need until a stream has repaired its bars."""


@pytest.mark.slow
def test_a_day_of_a_market_equals_an_aggregation_by_polars(tmp_path: Path) -> None:
    day, lake, file = market_day(60), tmp_path / "lake", tmp_path / "day.jsonl"
    day.write_history(lake)
    file.write_bytes(b"".join(frame + b"\n" for frame in day.frames))
    status = stream(f"replay:{file}", lake, "--split", f"{day.symbols[1]}={SPLIT}", code=3)
    live = live_of(day, SESSION)
    assert live["missed"].max() > 0  # of the events that came too late
    with connect(lake) as con:
        assert_live_equals(con, live)
        assert_bars_live_equal(con, bars_live_of(day, live))
    events = events_of(day.frames, day.symbols, SESSION)
    assert status["not_used"] == {**counts_of(events, SESSION), **day.wrong}
    assert status["unknown_symbols"] == ["NOPE"]
    assert status["missed"] == pytest.approx(live["missed"].sum())


@pytest.mark.large
def test_500_symbols_from_a_websocket_that_breaks_off(tmp_path: Path) -> None:
    """Frames are lost between the connections, and repairs from the REST API bring what they had."""
    day, lake = market_day(500), tmp_path / "lake"
    day.write_history(lake)
    cuts = [0, 60, 110, 170, 240, len(day.frames)]
    exchange = Exchange([day.frames[a:b] for a, b in pairwise(cuts)], ["close", "abort", "mute", "abort", "stay"])
    lost = exchange.parts[2][:3]
    del exchange.parts[2][:3]
    names = {event["sym"] for frame in lost for event in json.loads(frame)}
    assert len(names) > 100
    whole = live_of(day, SESSION, repaired=True)
    with Vendor() as vendor, exchange.in_thread():
        serve_day(vendor, day)
        running = start(lake, exchange, vendor)
        try:
            until(lake, whole["volume"].sum(), running)
        finally:
            running.send_signal(signal.SIGTERM)
            out, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 143, err
    status = json.loads(out)
    assert status["status"] == "stopped"
    assert (status["missed"], status["symbols_with_missed"]) == (0, 0)
    assert status["repairs"]["repaired"] > 100
    # A connection per part, and one more whenever a loaded machine was silent for longer than the stream waits.
    assert status["connection"]["connections"] >= 5
    with connect(lake) as con:
        assert_live_equals(con, whole, "late")
        assert_bars_live_equal(con, bars_live_of(day, whole))


def serve_day(vendor: Vendor, day: MarketDay) -> None:
    """Let the vendor's REST API have the seconds of a day and its split."""
    vendor.routes |= {path: [ok(rows)] for path, rows in rest_of(day, SESSION).items()}
    name = day.symbols[1]
    vendor.routes["/v3/reference/splits"] = [ok([split(name, SESSION.date, 1, SPLIT)])]  # type: ignore[arg-type]


def start(lake: Path, exchange: Exchange, vendor: Vendor) -> subprocess.Popen[str]:
    """Start a stream from the websocket, in a process whose clock is ten minutes before the close."""
    environment = {
        "POLYGON_API_KEY": KEY,
        "STOCKSTREAM_POLYGON_STREAM_URL": exchange.url,
        "STOCKSTREAM_POLYGON_URL": vendor.url,
        "STOCKSTREAM_POLYGON_CALLS_PER_MINUTE": "100000",
    }
    arguments = ["stream", "--source", "polygon", "--lake", str(lake), "--market", "US", "--json"]
    return subprocess.Popen(
        command_at(SESSION.closes - 600_000, arguments),  # events far ahead of the clock are not used
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(lake: Path, volume: float, running: subprocess.Popen[str]) -> None:
    """Wait until the live bars have a volume and nothing is missed."""
    deadline, seen = time.monotonic() + SECONDS, (0.0, 0.0)
    while time.monotonic() < deadline and running.poll() is None:
        time.sleep(1)
        with connect(lake) as con:
            seen = con.execute("SELECT coalesce(sum(volume), 0), coalesce(sum(abs(missed)), 0) FROM live").fetchone()
        if abs(seen[0] - volume) < 1e-6 * volume and seen[1] == 0:
            return
    raise AssertionError(f"volume and missed are {seen}, not {volume} and 0")
