"""The Yahoo source as a part of a process: pace, settings, threads, files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection
from yfinance import cache

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.sources.yahoo import YahooSource
from tests.pipeline.yahoo_week import WEEK, only, source, week
from tests.yahoo_replay import SERVER_ERROR, Reply, YahooReplay, chart

# pandas warns that yfinance calls it in a way that pandas 4 drops.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_the_pause_is_kept_between_symbols_only(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    symbols = ["BHP", "CBA", "CSL"]
    for symbol in symbols:
        yahoo.script(f"{symbol}.AX", chart(symbol, WEEK))
    yahoo_source = source(yahoo, pause=0.5)
    started = time.monotonic()
    list(yahoo_source.fetch(con, [week(symbol) for symbol in symbols[:2]]))
    first_batch = time.monotonic() - started
    list(yahoo_source.fetch(con, [week(symbols[2])]))  # and from one batch to the next
    at = [request.at for request in yahoo.charts()]
    assert [later - earlier >= 0.5 for earlier, later in pairwise(at)] == [True, True]
    assert first_batch < 1.0  # one pause, not two or three


def test_a_source_is_made_from_the_settings(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    yahoo_source = YahooSource.open("", MARKETS["ASX"], Settings(retry_attempts=2))
    yahoo.script("BHP.AX", SERVER_ERROR)
    assert only(yahoo_source.fetch(con, [week()])).failed == {"BHP": "Yahoo answered HTTP 500"}
    assert len(yahoo.charts()) == 2


def test_threads_take_turns(yahoo: YahooReplay) -> None:
    symbols = [f"S{n}" for n in range(8)]
    for n, symbol in enumerate(symbols):
        yahoo.script(f"{symbol}.AX", Reply(500 + n, delay=0.02))

    def reason(symbol: str) -> str:
        return only(source(yahoo, attempts=1).fetch(duckdb.connect(), [week(symbol)])).failed[symbol]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(reason, symbols)) == [f"Yahoo answered HTTP {500 + n}" for n in range(8)]
    at = [request.at for request in yahoo.charts()]
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(at))


def test_yfinances_files_are_in_a_folder_of_this_process(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    list(source(yahoo).fetch(con, [week()]))
    folder = Path(cache._CookieDBManager.get_location())
    assert folder == Path(cache._TzDBManager.get_location())
    assert folder.name.startswith("stockstream-yfinance-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


PROGRAM = """
import sys, duckdb
from datetime import date
from stockstream.pipeline.sources.base import Window
from stockstream.pipeline.sources.yahoo import YahooSource
source = YahooSource(".AX", "Australia/Sydney", 0, 1, 0, 0, sys.argv[1])
for answer in source.fetch(duckdb.connect(), [Window(s, date(2026, 8, 3), date(2026, 8, 7)) for s in ("BHP", "SICK")]):
    print(answer.failed or len(answer.bars))
"""


@pytest.mark.parametrize("plain", [{}, {"YF_DISABLE_CURL_CFFI": "1"}], ids=["curl_cffi", "requests"])
def test_without_a_writable_home_and_with_either_http_client(
    yahoo: YahooReplay, tmp_path: Path, plain: dict[str, str]
) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", WEEK))
    yahoo.script("SICK.AX", SERVER_ERROR)
    environment = os.environ | plain | {"HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none", "TMPDIR": str(tmp_path)}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, yahoo.url],
        env=environment, cwd=root, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout.splitlines(), done.stderr) == (["5", "{'SICK': 'Yahoo answered HTTP 500'}"], "")
    assert list(tmp_path.iterdir()) == []  # nothing is left behind
