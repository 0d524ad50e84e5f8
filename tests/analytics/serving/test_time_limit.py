"""The time of an answer: a query over it is interrupted, which is a 503 and counted; its thread then serves others."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from stockstream.analytics.serving.generations import Generations
from stockstream.analytics.serving.problems import Problem
from stockstream.analytics.serving.time_limit import TimeLimit
from stockstream.sql.session.catalogue_file import cache_folder
from tests.analytics.serving.server import Server, start

ENDLESS = "SELECT max(a.range * b.range) FROM range(1_000_000_000) a, range(1_000_000_000) b"


@pytest.mark.usefixtures("server")  # which has made the serving file
def test_a_query_is_interrupted_and_its_thread_serves_the_next(lake: str) -> None:
    cache = cache_folder()
    assert cache is not None
    generations = Generations(lake, cache)
    generations.open_newest()
    served, counted = generations.newest, []
    short, long = (TimeLimit(seconds, lambda: counted.append(1)) for seconds in (0.2, 3600.0))

    def endless() -> object:
        return served.cursor.execute(ENDLESS).fetchall()

    async def asked() -> None:
        with ThreadPoolExecutor(1) as pool:
            first = asyncio.create_task(short.run(served, endless, pool))
            second = asyncio.create_task(long.run(served, lambda: served.cursor.execute("SELECT 7").fetchall(), pool))
            with pytest.raises(Problem, match=r"longer than 0\.2 s: ask for less") as over:
                await first
            assert over.value.status == 503
            assert await second == [(7,)]  # in the thread of the first, on its cursor

            left = asyncio.create_task(long.run(served, endless, pool))
            await asyncio.sleep(0)  # it takes the thread
            with pytest.raises(Problem, match="busy with other requests") as busy:
                await short.run(served, endless, pool)
            assert busy.value.headers == {"Retry-After": "5"}
            left.cancel()  # its caller is gone
            with pytest.raises(asyncio.CancelledError):
                await left
        assert counted == [1, 1]

    asyncio.run(asked())


def test_the_answer_is_a_problem_and_counted(lake: str) -> None:
    server: Server = start(lake, "--query-seconds", "0.01")
    try:
        answer = server.get("/v1/bars?adjustment=all&timeframe=weekly&limit=10000")
        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"] == "the answer takes longer than 0.01 s: ask for less"
        assert "no-store" in answer.headers["Cache-Control"]
        assert "stockstream_too_long_total 1.0" in server.get("/metrics").text
        assert server.get("/health").json()["status"] == "ok"
    finally:
        server.stop()
