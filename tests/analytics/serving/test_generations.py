"""An answer is of one generation: its ETag, its pages, and what another server says of the same one."""

from __future__ import annotations

import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import requests

from stockstream import analytics
from tests.analytics.serving.server import Server, start
from tests.analytics.test_cli import run_cli

DAY = "date,open,high,low,close,volume"


@pytest.fixture
def changing(lake: str, tmp_path: Path) -> Iterator[tuple[str, Server]]:
    """A lake of its own, and a server on it."""
    folder = str(tmp_path / "lake")
    shutil.copytree(lake, folder)
    started = start(folder, "--rate", "100000", "--burst", "100000")
    yield folder, started
    started.stop()


def publish(lake: str, folder: Path, day: str, close: float) -> int:
    """Publish a generation with one more bar of IBM; return its number."""
    file = folder / f"{day}.csv"
    file.write_text(f"symbol,{DAY}\nIBM,{day},{close},{close},{close},{close},1000\n")
    options = ["--source", f"files:{file}", "--prices", "as-traded", "--symbols", "IBM"]
    ended = run_cli("backfill", "--lake", lake, "--start", day, "--end", day, *options)
    assert ended.code == 0, ended.err
    with analytics.connect(lake) as con:
        return int(con.sql("SELECT getvariable('manifest').generation").fetchall()[0][0])


def wait_for(server: Server, generation: int, key: str = "none") -> None:
    """Wait until a server has a generation."""
    until = time.monotonic() + 60
    while server.json("/v1/status", **{"X-API-Key": key})["generation"] != generation:
        assert time.monotonic() < until, "the generation was not served"
        time.sleep(0.1)


def test_a_new_generation_is_served_and_pages_stay_on_theirs(changing: tuple[str, Server], tmp_path: Path) -> None:
    lake, server = changing
    path = "/v1/bars/IBM?start=2013-02-20&limit=3"
    before = server.get(path)
    assert server.get(path, **{"If-None-Match": before.headers["etag"]}).status_code == 304
    number = publish(lake, tmp_path, "2013-03-04", 205.0)
    wait_for(server, number)
    after = server.get(path, **{"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.headers["x-generation"] == str(number)
    # The pages of the old answer end with the old last day, those of the new one with the new day.
    days = {name: dates(server, path, answer) for name, answer in (("old", before), ("new", after))}
    assert days["old"][-1] == "2013-03-01"
    assert days["new"] == [*days["old"], "2013-03-04"]
    pinned = server.get(f"/v1/@{server.generation}/bars/IBM?start=2013-03-01")
    assert [row["date"] for row in pinned.json()["bars"]] == ["2013-03-01"]
    assert "immutable" in pinned.headers["cache-control"]
    token = before.json()["next_page_token"]
    assert server.get(f"/v1/@{number}/bars/IBM?page_token={token}").status_code == 422


def dates(server: Server, path: str, answer: requests.Response) -> list[str]:
    """Return the days of an answer and of the pages after it."""
    page, days = answer.json(), []
    while True:
        days += [row["date"] for row in page["bars"]]
        if page["next_page_token"] is None:
            return days
        page = server.json(f"{path}&page_token={page['next_page_token']}")


def test_fresh_batch_files_are_in_no_answer(changing: tuple[str, Server], tmp_path: Path) -> None:
    lake, server = changing
    before = server.get("/v1/bars/IBM?start=2013-03-01")
    with analytics.connect(lake) as con:
        con.sql(
            f"COPY (SELECT symbol, DATE '2013-03-04' AS date, open, high, low, close, volume, adjusted_close, "
            f"fetch_timestamp, dividend, split_ratio, source, DATE '2013-03-04' AS price_basis FROM raw_bars "
            f"WHERE symbol = 'IBM' AND date = '2013-03-01') TO '{lake}/raw-data/2026-11-28-batch-7.parquet'"
        )
    with analytics.connect(lake) as con:
        assert con.sql("SELECT max(date) FROM bars WHERE symbol = 'IBM'").fetchall() == [(date(2013, 3, 4),)]
    other = start(lake)
    again = other.get("/v1/bars/IBM?start=2013-03-01")
    assert other.stop()[0] == 130
    assert (again.headers["etag"], again.content) == (before.headers["etag"], before.content)


@pytest.mark.large
def test_clients_see_no_error_and_one_body_per_tag(changing: tuple[str, Server], tmp_path: Path) -> None:
    lake, first = changing
    second = start(lake, "--rate", "100000", "--burst", "100000", XDG_CACHE_HOME=str(tmp_path / "cache"))
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    errors: list[str] = []
    ended = threading.Event()

    def ask(server: Server) -> None:
        while not ended.is_set():
            answer = server.get("/v1/bars/IBM?start=2013-01-01")
            if answer.status_code == 200:
                bodies[answer.headers["etag"]].add(answer.content)
            else:
                errors.append(answer.text)

    clients = [threading.Thread(target=ask, args=(server,)) for server in (first, second) * 2]
    for client in clients:
        client.start()
    try:
        for day in range(4, 9):
            number = publish(lake, tmp_path, f"2013-03-{day:02d}", 200.0 + day)
            for server in (first, second):
                wait_for(server, number)
    finally:
        ended.set()
        for client in clients:
            client.join()
        second.stop()
    assert not errors
    assert len(bodies) >= 6
    assert {len(seen) for seen in bodies.values()} == {1}


def test_a_pointer_that_cannot_be_read_is_told_and_the_old_generation_stays(changing: tuple[str, Server]) -> None:
    lake, server = changing
    (Path(lake) / "state" / "current.json").write_text("{")
    for manifest in (Path(lake) / "state" / "manifests").iterdir():
        manifest.write_text("{")
    (Path(lake) / "state" / "manifests" / "000099.json").write_text("{")
    until = time.monotonic() + 60
    while server.get("/health").json()["status"] != "fault":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert server.get("/v1/bars/IBM?limit=1").status_code == 200
    assert "stockstream_fault 1.0" in server.get("/metrics").text


@pytest.mark.parametrize("damage", ["cut", pytest.param("block", marks=pytest.mark.large)])
def test_a_damaged_serving_file_is_made_again(lake: str, tmp_path: Path, damage: str) -> None:
    server = start(lake, XDG_CACHE_HOME=str(tmp_path))
    before = server.get("/v1/bars/IBM?start=2013-01-01")
    server.stop()
    [file] = tmp_path.rglob("0*.duckdb")
    content = bytearray(file.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    else:  # in the middle of the rows of some table
        middle = len(content) // 2
        content[middle : middle + 64] = bytes(64 * [0x5A])
    file.write_bytes(content)
    again = start(lake, XDG_CACHE_HOME=str(tmp_path))
    after = again.get("/v1/bars/IBM?start=2013-01-01")
    _, err = again.stop()
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
    assert f"{file.name} is damaged, and is made again" in err


@pytest.mark.large
def test_another_lake_in_the_same_place_is_not_taken_for_the_first(lake: str, tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    for close in (101.0, 202.0):
        shutil.rmtree(folder, ignore_errors=True)
        file = tmp_path / "days.csv"
        file.write_text(f"symbol,{DAY}\nIBM,2013-03-04,{close},{close},{close},{close},1000\n")
        options = ["--source", f"files:{file}", "--prices", "as-traded", "--symbols", "IBM"]
        ended = run_cli("backfill", "--lake", str(folder), "--start", "2013-03-04", "--end", "2013-03-04", *options)
        assert ended.code == 0, ended.err
        server = start(str(folder), XDG_CACHE_HOME=str(tmp_path / "cache"))
        rows = server.json("/v1/bars/IBM")["bars"]
        server.stop()
        assert [row["close"] for row in rows] == [close]
