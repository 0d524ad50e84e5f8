"""Live, streams: what a server spends on a thousand subscribers, and whether its memory grows.

The server runs the stream itself: a generated recording of all US stocks, replayed at the speed of the day. The
subscribers are in another process, whose time is not counted; some of them read nothing. The lake has the symbols.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import requests

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps import consolidate, refresh
from stockstream.sql.loader import load
from stockstream.sql.session import connect
from tests.analytics.serving.server import Server, start
from tests.benchmarks._harness import Figure, main
from tests.benchmarks._synthetic import write_history
from tests.pipeline.live.day import BEFORE
from tests.pipeline.live.feed import CLOSES, OPENS, names

PER_SECOND = 10_000
SYMBOLS, SUBSCRIBED = 12_500, 20
PER_FRAME = 20
MAX_SHARE, MAX_GROWTH = 60, 5
"""Percent of a core; percent of memory between the second minute and the last."""
_TICKS = os.sysconf("SC_CLK_TCK")


def measure(quick: bool) -> Iterator[Figure]:
    clients, idle, span = (50, 2, 10) if quick else (1000, 20, 600)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder:
        recording = Path(folder) / "day.jsonl"
        _record(recording, span + 60)
        lake = _lake(Path(folder))
        options = ("--live", f"replay:{recording}", "--speed", "1", "--rate", "100000", "--burst", "100000")
        limits = ("--max-streams", "2000", "--max-streams-per-caller", "2000")
        server = start(lake, *options, *limits, LOG_LEVEL="ERROR", STOCKSTREAM_CACHE=f"{folder}/cache")
        try:
            yield from _figures(server, clients, idle, span, quick)
        finally:
            server.stop(signal.SIGKILL)


def _figures(server: Server, clients: int, idle: int, span: int, quick: bool) -> Iterator[Figure]:
    while "streaming" not in str(server.json("/health")):
        time.sleep(0.2)
    alone = _share(server.process.pid, 5)
    port = server.address.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "tests.benchmarks.stream_clients", "--clients", port, str(clients), str(idle)]
    with subprocess.Popen([*command, str(span)], stdout=subprocess.PIPE, text=True) as reading:
        assert reading.stdout is not None
        reading.stdout.readline()  # all are open
        memory, share = [], []
        for _ in range(10):
            share.append(_share(server.process.pid, span / 10))
            memory.append(_memory(server.process.pid))
        measures = requests.get(f"{server.address}/metrics", timeout=60).text
        received = json.loads(reading.stdout.readline())
        reading.wait()
    name = f"{clients:,} subscribers of {SUBSCRIBED} symbols, {PER_SECOND:,} events/s"
    goal = None if quick else MAX_SHARE
    yield Figure("the stream without subscribers", 100 * alone, "% of a core")
    yield Figure(f"{name}: the server", 100 * sum(share) / len(share), "% of a core", goal)
    yield Figure(f"{name}: messages per subscriber", received["messages"] / clients / span, "per second")
    yield Figure(f"{name}: bars per message", received["bars"] / max(1, received["messages"]), "bars")
    yield Figure("memory in the second tenth of the time", memory[1], "MB")
    growth = max(0.0, 100 * (memory[-1] / memory[1] - 1))
    yield Figure("growth of the memory until the end", growth, "%", None if quick else MAX_GROWTH)
    stalled = _value(measures, 'closed_total{reason="stalled"}')
    yield Figure(f"{idle} readers that read nothing: closed", stalled, "streams")
    yield Figure("states of bars that newer ones replaced", _value(measures, "conflated_bars_total"), "bars")


def _record(file: Path, count: int) -> None:
    """Write the aggregates of some seconds; a symbol trades in four of five."""
    rng = random.Random(7)
    listed = names(SYMBOLS)
    price, total = [rng.uniform(5, 500) for _ in listed], [0] * len(listed)
    with file.open("w") as out:
        for second in range(count):
            at = OPENS + 1000 * second
            assert at < CLOSES
            chosen = sorted(rng.sample(range(len(listed)), PER_SECOND))
            texts = []
            for place, number in enumerate(chosen):
                before = price[number]
                close = price[number] = max(0.01, before * (1 + rng.gauss(0, 0.0004)))
                volume = rng.randrange(1, 2000)
                total[number] += volume
                texts.append(
                    f'{{"ev":"A","sym":"{listed[number]}","v":{volume},"av":{total[number]},"op":{before:.4f},'
                    f'"o":{before:.4f},"c":{close:.4f},"h":{max(before, close):.4f},"l":{min(before, close):.4f},'
                    f'"s":{at},"e":{at + 1000}}}'
                )
                if place % PER_FRAME == PER_FRAME - 1:
                    out.write(f"[{','.join(texts)}]\n")
                    texts.clear()


def _lake(folder: Path) -> Path:
    """Return a lake with a published day of the symbols."""
    lake = folder / "lake"
    with connect(str(lake)) as con:
        con.execute(load("schema/raw").text)
        con.execute("CREATE TEMP TABLE listed (symbol VARCHAR)")
        con.execute(f"INSERT INTO listed VALUES {', '.join(f'({name!r})' for name in names(SYMBOLS))}")
        con.execute(
            "INSERT INTO raw BY NAME SELECT symbol, $day AS date, 9.0 AS open, 9.0 AS high, 9.0 AS low, 9.0 AS close, "
            "1000 AS volume, 9.0 AS adjusted_close, $day || 'T21:00:00.000000Z' AS fetch_timestamp, 0.0 AS dividend, "
            "1.0 AS split_ratio, 'benchmark' AS source, $day AS price_basis FROM listed",
            {"day": BEFORE[-1]},
        )
        write_history(con, lake, BEFORE[-1:])
    opened = Lake(str(lake))
    opened.prepare(MARKETS["US"], BEFORE[-1])
    consolidate.run({}, opened)
    refresh.run({}, opened)
    return lake


def _share(pid: int, seconds: float) -> float:
    """Return the share of a core that a process takes in some seconds."""
    before, began = _cpu(pid), time.monotonic()
    time.sleep(seconds)
    return (_cpu(pid) - before) / (time.monotonic() - began)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid: int) -> float:
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) / 1024


def _value(text: str, name: str) -> float:
    return sum(
        float(line.split()[-1]) for line in text.splitlines() if line.startswith("stockstream_") and name in line
    )


async def _subscribe(port: int, clients: int, idle: int, span: float) -> None:
    """Read streams for some seconds, then print how many messages came."""
    listed, rng, counts = names(SYMBOLS), random.Random(3), {"messages": 0, "bars": 0}

    async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        path = f"/v1/stream?symbols={','.join(rng.sample(listed, SUBSCRIBED))}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        line = await reader.readline()
        assert b" 200 " in line, line
        return reader, writer

    async def read(reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            counts["messages"] += data.count(b"id: ")
            counts["bars"] += data.count(b"event: bar")

    streams = [await opened() for _ in range(clients)]
    stalled = []
    for _ in range(idle):
        _, writer = await opened()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        stalled.append(writer)
    print("open", flush=True)
    tasks = [asyncio.create_task(read(reader)) for reader, _ in streams]
    await asyncio.sleep(span)
    print(json.dumps(counts), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    if "--clients" in sys.argv:
        asyncio.run(_subscribe(*map(int, sys.argv[2:6])))
    else:
        main("Live, streams", measure)
