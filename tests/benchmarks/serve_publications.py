"""Serving while generations are published: errors, bodies per ETag, and the time until a new generation is served."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import requests

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps import consolidate
from stockstream.sql.session import connect
from tests.benchmarks._harness import Figure, main
from tests.benchmarks._servers import running
from tests.benchmarks._synthetic import LAST_DAY, make_bars, sessions, write_history

OURS = "from stockstream.analytics.cli import main; main()"
CLIENTS = 8


def measure(quick: bool) -> Iterator[Figure]:
    symbols, seconds, publications = (20, 4, 2) if quick else (200, 60, 20)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as name, ExitStack() as stack:
        folder = Path(name)
        lake = folder / "lake"
        with connect(str(lake)) as con:
            make_bars(con, symbols, sessions(500))
            write_history(con, lake, sessions(500))
        opened = Lake(str(lake))
        opened.prepare(MARKETS["ASX"], LAST_DAY)
        consolidate.run({}, opened)
        with connect(str(lake)) as con:
            first = str(con.sql("SELECT min(symbol) FROM bars").fetchall()[0][0])
        path = f"/v1/bars/{first}?limit=100"
        command = [sys.executable, "-c", OURS, "serve", "--lake", str(lake), "--port", "PORT"]
        servers = [
            stack.enter_context(
                running([*command, "--rate", "1000000", "--burst", "1000000"], path, {"STOCKSTREAM_CACHE": cache})
            )[1]
            for cache in (f"{folder}/one", f"{folder}/two")
        ]
        yield from _measured(opened, servers, path, seconds, publications)


def _measured(lake: Lake, servers: list[str], path: str, seconds: int, publications: int) -> Iterator[Figure]:
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    errors: list[str] = []
    asked = [0] * CLIENTS
    seen: defaultdict[int, dict[str, float]] = defaultdict(dict)
    """Per generation and server, when an answer of it came first."""
    published: dict[int, float] = {}
    ended = threading.Event()

    def ask(number: int) -> None:
        address = servers[number % len(servers)]
        with requests.Session() as session:
            while not ended.is_set():
                asked[number] += 1
                try:
                    answer = session.get(address + path, timeout=60)
                except requests.RequestException as error:
                    errors.append(str(error))
                    continue
                if answer.status_code != 200:
                    errors.append(answer.text)
                    continue
                bodies[answer.headers["etag"]].add(answer.content)
                seen[int(answer.headers["x-generation"])].setdefault(address, time.monotonic())

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    began = time.monotonic()
    for number in range(1, publications + 1):
        _add_day(lake, number)
        published[consolidate.run({}, lake)["generation"]] = time.monotonic()
        time.sleep(max(0.0, began + seconds * number / publications - time.monotonic()))
    until = time.monotonic() + 60
    while len(seen[max(published)]) < len(servers) and time.monotonic() < until:
        time.sleep(0.1)
    ended.set()
    for client in clients:
        client.join()
    delays = [max(seen[one].values(), default=float("inf")) - at for one, at in published.items() if one in seen]
    yield Figure(f"{CLIENTS} clients of two servers, {publications} publications", sum(asked), "answers")
    yield Figure("errors", len(errors), "answers", 0)
    yield Figure("ETags with more than one body", sum(len(each) > 1 for each in bodies.values()), "ETags", 0)
    skipped = publications - sum(len(seen[one]) == len(servers) for one in published)
    yield Figure("generations that one of the servers went past", skipped, "generations")
    # The servers make the file themselves; the goal is of a lake whose pipeline has made it before.
    yield Figure("from the pointer to the new generation on both, its serving file included", max(delays), "s")


def _add_day(lake: Lake, number: int) -> None:
    """Write a batch file with the bars of a further day."""
    day = LAST_DAY + timedelta(days=number)
    with connect(lake.uri) as con:
        con.execute(
            f"COPY (SELECT * REPLACE (DATE '{day}' AS date, DATE '{day}' AS price_basis) FROM raw_bars "
            f"WHERE date = (SELECT max(date) FROM raw_bars)) TO '{lake.uri}/raw-data/{day}-batch-1.parquet'"
        )


if __name__ == "__main__":
    main("Serving while generations are published", measure)
