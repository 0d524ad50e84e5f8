"""The real yfinance with its real HTTP client, through YahooSource, against a replay on loopback."""

from __future__ import annotations

import gc
import json
import logging
import math
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
import time_machine
from duckdb import DuckDBPyConnection, DuckDBPyRelation
from yfinance import cache

from stockstream.pipeline.errors import RateLimited
from stockstream.pipeline.settings import Settings
from stockstream.pipeline.sources.base import Answer, Window
from stockstream.pipeline.sources.yahoo import YahooSource
from tests.yahoo_replay import (
    BACK_SOON,
    DROPPED,
    EMPTY_BODY,
    MALFORMED,
    NO_DATA,
    NOT_FOUND,
    RATE_LIMITED,
    SERVER_ERROR,
    UNAUTHORIZED,
    Chart,
    Reply,
    YahooReplay,
    chart,
    recorded,
    refusal,
)

# pandas warns that yfinance calls it in a way that pandas 4 drops.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "yahoo_chart"
SYDNEY, NEW_YORK = "Australia/Sydney", "America/New_York"
MONDAY = date(2026, 8, 3)
TUESDAY, WEDNESDAY, FRIDAY = (MONDAY + timedelta(days=n) for n in (1, 2, 4))
WEEK = [(MONDAY + timedelta(days=n), 41.0 + n, 42.0 + n, 40.5 + n, 41.5 + n, 1000 + n, 40.25 + n) for n in range(5)]
PRICES = ["open", "high", "low", "close"]
COLUMNS = ["symbol", "date", *PRICES, "volume", "adjusted_close", "dividend", "split_ratio", "price_basis"]


@pytest.fixture
def yahoo() -> Iterator[YahooReplay]:
    with YahooReplay() as replay:
        yield replay


@pytest.fixture
def con() -> DuckDBPyConnection:
    return duckdb.connect()


def source(yahoo: YahooReplay, suffix: str = ".AX", timezone: str = SYDNEY, **options: float) -> YahooSource:
    quick = {"pause": 0.0, "attempts": 3, "wait": 0.01, "wait_max": 0.05} | options
    return YahooSource(suffix, timezone, url=yahoo.url, **quick)  # type: ignore[arg-type]


def week(symbol: str = "BHP") -> Window:
    return Window(symbol, MONDAY, FRIDAY)


def rows(bars: DuckDBPyRelation | None, columns: str = ", ".join(COLUMNS)) -> list[tuple[Any, ...]]:
    """Give the bars in order of date, NaN as None."""
    assert bars is not None
    found = bars.order("date").project(columns).fetchall()
    return [tuple(None if isinstance(v, float) and math.isnan(v) else v for v in row) for row in found]


def only(answers: Iterator[Answer]) -> Answer:
    (answer,) = answers
    return answer


# --- what a good answer becomes --------------------------------------------------------------------------------------


def test_history_with_a_split_and_a_dividend(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", WEEK, {TUESDAY: 0.25}, {WEDNESDAY: (1, 10)}))
    answer = only(source(yahoo).fetch(con, [week()]))
    assert answer.symbols == ("BHP",)
    assert answer.failed == {}
    assert answer.bars is not None
    assert answer.bars.columns == COLUMNS
    assert [str(t) for t in answer.bars.types] == (
        ["VARCHAR", "DATE", *["DOUBLE"] * 4, "BIGINT", *["DOUBLE"] * 3, "DATE"]
    )
    basis = (datetime.now(ZoneInfo(SYDNEY)) - timedelta(hours=10)).date()
    assert rows(answer.bars) == [
        ("BHP", *bar, 0.25 if bar[0] == TUESDAY else 0.0, 0.1 if bar[0] == WEDNESDAY else 1.0, basis) for bar in WEEK
    ]


def test_the_window_is_asked_for_with_both_ends_and_in_one_request(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", WEEK))
    answer = only(source(yahoo).fetch(con, [Window("BHP", TUESDAY, WEDNESDAY)]))
    assert rows(answer.bars, "date") == [(TUESDAY,), (WEDNESDAY,)]
    (asked,) = yahoo.charts()
    assert asked.host == "query2.finance.yahoo.com"
    assert asked.query["interval"] == "1d"
    midnights = [datetime(2026, 8, day, tzinfo=ZoneInfo(SYDNEY)).timestamp() for day in (4, 6)]
    assert [int(asked.query[k]) for k in ("period1", "period2")] == midnights


@pytest.mark.parametrize(
    ("suffix", "symbol", "code"), [(".AX", "BHP", "BHP.AX"), ("", "BRK.B", "BRK-B"), ("", "AAPL", "AAPL")]
)
def test_yahoos_code_is_used_to_ask_only(
    yahoo: YahooReplay, con: DuckDBPyConnection, suffix: str, symbol: str, code: str
) -> None:
    timezone = SYDNEY if suffix else NEW_YORK
    yahoo.script(code, chart(code, WEEK, timezone=timezone))
    answer = only(source(yahoo, suffix, timezone).fetch(con, [week(symbol)]))
    assert answer.symbols == (symbol,)
    assert rows(answer.bars, "symbol, date") == [(symbol, bar[0]) for bar in WEEK]


def test_the_bars_of_many_answers_live_on_and_stay_apart(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    symbols = [f"S{n}" for n in range(12)]
    for n, symbol in enumerate(symbols):
        yahoo.script(f"{symbol}.AX", chart(symbol, [(MONDAY, n, n, n, float(n), n)]))
    answers = list(source(yahoo).fetch(con, [week(symbol) for symbol in symbols]))
    gc.collect()
    union = answers[0].bars
    for answer in answers[1:]:
        assert union is not None
        assert answer.bars is not None
        union = union.union(answer.bars)
    del answers, answer
    gc.collect()
    assert union is not None
    assert sorted(union.project("symbol, close, volume").fetchall()) == sorted(
        (symbol, float(n), n) for n, symbol in enumerate(symbols)
    )


def test_missing_prices_stay_missing_and_volume_is_a_whole_number(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    gaps = [
        WEEK[0],
        (TUESDAY, 42.0, 43.0, 41.5, None, 777, None),  # traded, and no close yet
        (WEDNESDAY, None, None, None, None, None, None),
    ]
    yahoo.script("BHP.AX", chart("BHP.AX", gaps))
    answer = only(source(yahoo).fetch(con, [week()]))
    assert rows(answer.bars, "date, open, close, adjusted_close, volume") == [
        (MONDAY, 41.0, 41.5, 40.25, 1000),
        (TUESDAY, 42.0, None, None, 777),
        (WEDNESDAY, None, None, None, 0),  # yfinance makes Yahoo's null a 0
    ]


@pytest.mark.parametrize("doubled", [False, True])
def test_the_bar_of_a_session_still_open_is_in_the_answer_once(
    yahoo: YahooReplay, con: DuckDBPyConnection, doubled: bool
) -> None:
    morning = datetime(2026, 8, 5, 11, 29)
    settled = WEEK[:3] if doubled else WEEK[:2]  # Yahoo also gives the day twice: as of its opening and as of now
    yahoo.script("BHP.AX", chart("BHP.AX", [*settled, (morning, 43.0, 43.5, 42.5, 43.25, 500)]))
    with time_machine.travel(datetime(2026, 8, 5, 11, 30, tzinfo=ZoneInfo(SYDNEY)), tick=True):
        answer = only(source(yahoo).fetch(con, [Window("BHP", MONDAY, WEDNESDAY)]))
    assert rows(answer.bars, "date, close, volume") == [
        (MONDAY, 41.5, 1000),
        (TUESDAY, 42.5, 1001),
        (WEDNESDAY, 43.25, 500),
    ]


@pytest.mark.parametrize("before", [0, 2])
def test_a_price_of_today_after_the_window_is_no_bar_of_it(
    yahoo: YahooReplay, con: DuckDBPyConnection, before: int
) -> None:
    """Yahoo appends the latest price to a window that is over."""
    late = chart("BHP.AX", [*WEEK[:before], (date(2026, 8, 20), 50.0, 50.0, 50.0, 50.0, 5)])
    yahoo.script("BHP.AX", Reply(200, json.dumps(late).encode()))
    answer = only(source(yahoo).fetch(con, [week()]))
    assert answer.symbols == ("BHP",)
    assert answer.failed == {}
    assert [row[0] for row in rows(answer.bars, "date")] == [MONDAY, TUESDAY] if before else answer.bars is None


# --- the date through which splits are in the prices -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("timezone", "now", "split", "basis"),
    [
        (SYDNEY, datetime(2026, 8, 5, 0, 30), None, TUESDAY),
        (SYDNEY, datetime(2026, 8, 5, 9, 59), None, TUESDAY),
        (SYDNEY, datetime(2026, 8, 5, 10, 1), None, WEDNESDAY),
        (SYDNEY, datetime(2026, 8, 5, 23, 59), None, WEDNESDAY),
        (SYDNEY, datetime(2026, 8, 5, 18, 0), MONDAY, WEDNESDAY),
        (NEW_YORK, datetime(2026, 8, 5, 9, 0), None, TUESDAY),
        (NEW_YORK, datetime(2026, 8, 5, 9, 45), WEDNESDAY, WEDNESDAY),
        (NEW_YORK, datetime(2026, 8, 5, 20, 0), None, WEDNESDAY),
    ],
)
def test_price_basis(
    yahoo: YahooReplay, con: DuckDBPyConnection, timezone: str, now: datetime, split: date | None, basis: date
) -> None:
    yahoo.script("X", chart("X", WEEK[:3], splits={split: (4, 1)} if split else None, timezone=timezone))
    with time_machine.travel(now.replace(tzinfo=ZoneInfo(timezone)), tick=True):
        answer = only(source(yahoo, "", timezone).fetch(con, [Window("X", MONDAY, WEDNESDAY)]))
    assert {row[0] for row in rows(answer.bars, "price_basis")} == {basis}


# --- faults ----------------------------------------------------------------------------------------------------------

PASSING: list[tuple[Reply, str]] = [
    (SERVER_ERROR, "Yahoo answered HTTP 500"),
    (Reply(502, b"Bad Gateway"), "Yahoo answered HTTP 502"),
    (BACK_SOON, 'Yahoo says that it is down ("Will be right back")'),
    (MALFORMED, "Yahoo's answer is not JSON"),
    (EMPTY_BODY, "Yahoo's answer is empty"),
    (DROPPED, "the connection to Yahoo failed (ConnectionError)"),
    (Reply(delay=1.0), "Yahoo did not answer within 0.2 s"),
]
LASTING: list[tuple[Reply, str]] = [
    (NOT_FOUND, "Yahoo knows no symbol SICK.AX (404)"),
    (Reply(404, b"<html></html>"), "Yahoo answered HTTP 404"),
    (UNAUTHORIZED, "Yahoo answered HTTP 401: Invalid Crumb"),
    (Reply(403, b""), "Yahoo answered HTTP 403"),
    (refusal(400, "Bad Request", "Invalid input"), "Yahoo answered HTTP 400: Invalid input"),
    (Reply(200, b"null"), "Yahoo's answer holds no chart"),
    (Reply(200, b"[]"), "Yahoo's answer holds no chart"),
    (Reply(200, b'{"chart": null}'), "Yahoo's answer holds no chart"),
    (Reply(200, b'{"chart": {"result": null, "error": null}}'), "Yahoo's answer holds no chart"),
    (
        Reply(200, b'{"chart": {"result": [{"indicators": {"quote": [{"open": [1]}]}}], "error": null}}'),
        "Yahoo's answer is no chart that can be read (KeyError('instrumentType'))",
    ),
]


def named(faults: list[tuple[Reply, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("fault", "reason"), faults, ids=[reason for _, reason in faults])


@named(PASSING + LASTING)
def test_a_fault_fails_its_symbol_with_the_reason_and_the_batch_goes_on(
    yahoo: YahooReplay, con: DuckDBPyConnection, fault: Reply, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    yahoo.script("SICK.AX", fault)
    yahoo.script("BHP.AX", chart("BHP.AX", WEEK))
    asking = source(yahoo)
    asking.timeout = 0.2
    started = time.monotonic()
    with caplog.at_level(logging.INFO):
        sick, well = asking.fetch(con, [week("SICK"), week()])
    assert time.monotonic() - started < 5
    assert sick == Answer((), None, {"SICK": reason})
    assert well.symbols == ("BHP",)
    assert len(rows(well.bars)) == 5
    assert not [r for r in caplog.records if r.name.startswith("yfinance")]


@named(PASSING)
def test_a_passing_fault_is_asked_again_and_not_answered_from_yfinances_cache(
    yahoo: YahooReplay, con: DuckDBPyConnection, fault: Reply, reason: str
) -> None:
    # A dropped connection is also tried again by curl itself where the connection was an old one.
    yahoo.script("BHP.AX", fault, *[DROPPED] * (fault is DROPPED), chart("BHP.AX", WEEK))
    asking = source(yahoo)
    asking.timeout = 0.2
    answer = only(asking.fetch(con, [week()]))
    assert answer.failed == {}
    assert len(rows(answer.bars)) == 5
    assert len(yahoo.charts()) >= 2


@named(PASSING)
def test_a_passing_fault_is_asked_for_a_bounded_number_of_times(
    yahoo: YahooReplay, con: DuckDBPyConnection, fault: Reply, reason: str
) -> None:
    yahoo.script("BHP.AX", fault)
    asking = source(yahoo, attempts=2)
    asking.timeout = 0.2
    assert only(asking.fetch(con, [week()])).failed == {"BHP": reason}
    assert len(yahoo.charts()) in ((2, 3, 4) if fault is DROPPED else (2,))


@named(LASTING[:2])
def test_an_unknown_symbol_is_asked_for_once(
    yahoo: YahooReplay, con: DuckDBPyConnection, fault: Reply, reason: str
) -> None:
    yahoo.script("SICK.AX", fault)
    only(source(yahoo).fetch(con, [week("SICK")]))
    assert len(yahoo.charts()) == 1


@pytest.mark.parametrize("answer", [NO_DATA, chart("BHP.AX", [(date(2020, 1, 2), 1, 1, 1, 1, 1)])])
def test_a_known_symbol_without_rows_is_an_answer(
    yahoo: YahooReplay, con: DuckDBPyConnection, answer: Reply | Chart
) -> None:
    yahoo.script("BHP.AX", answer)
    assert only(source(yahoo).fetch(con, [week()])) == Answer(("BHP",))


def test_a_symbol_that_cannot_be_asked_for_fails_alone(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    answer = only(source(yahoo, "", NEW_YORK).fetch(con, [week("")]))
    assert answer.failed[""].startswith("yfinance failed before it asked: ")


def test_yesterdays_answer_is_not_given_again(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    """yfinance remembers answers to past ranges for as long as the process lives."""
    asking = source(yahoo)
    for close in (41.5, 42.5):
        yahoo.script("BHP.AX", chart("BHP.AX", [(MONDAY, 41.0, 43.0, 40.5, close, 1000)]))
        assert rows(only(asking.fetch(con, [week()])).bars, "close") == [(close,)]


# --- HTTP 429 --------------------------------------------------------------------------------------------------------


def test_too_many_requests_is_waited_out(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    # yfinance asks a second time with another cookie: two refusals are one failed try.
    yahoo.script("BHP.AX", RATE_LIMITED, RATE_LIMITED, chart("BHP.AX", WEEK))
    answer = only(source(yahoo).fetch(con, [week()]))
    assert len(rows(answer.bars)) == 5
    assert len(yahoo.charts()) == 3


def test_too_many_requests_for_ever_stops_the_whole_run(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", WEEK))
    yahoo.script("CBA.AX", RATE_LIMITED)
    asking = source(yahoo, attempts=3)
    answers = asking.fetch(con, [week(), week("CBA"), week("CSL")])
    assert next(answers).symbols == ("BHP",)
    with pytest.raises(RateLimited, match="429"):
        next(answers)
    assert len(yahoo.charts("CBA.AX")) == 6  # three tries
    assert yahoo.charts("CSL.AX") == []

    before = len(yahoo.requests)
    with pytest.raises(RateLimited, match="429"):
        next(asking.fetch(con, [week()]))
    assert len(yahoo.requests) == before


# --- pace, settings, process -----------------------------------------------------------------------------------------


def test_the_pause_is_kept_between_symbols_only(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    symbols = ["BHP", "CBA", "CSL"]
    for symbol in symbols:
        yahoo.script(f"{symbol}.AX", chart(symbol, WEEK))
    asking = source(yahoo, pause=0.5)
    started = time.monotonic()
    list(asking.fetch(con, [week(symbol) for symbol in symbols[:2]]))
    first_batch = time.monotonic() - started
    list(asking.fetch(con, [week(symbols[2])]))  # and from one batch to the next
    at = [asked.at for asked in yahoo.charts()]
    assert [later - earlier >= 0.5 for earlier, later in pairwise(at)] == [True, True]
    assert first_batch < 1.0  # one pause, not two or three


def test_from_settings(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    given: dict[str, Any] = {"yahoo_url": yahoo.url, "yahoo_pause": 0.0, "retry_attempts": 2, "retry_wait": 0.01}
    asking = YahooSource.from_settings(Settings.model_construct(**given), ".AX", SYDNEY)
    yahoo.script("BHP.AX", SERVER_ERROR)
    assert only(asking.fetch(con, [week()])).failed == {"BHP": "Yahoo answered HTTP 500"}
    assert len(yahoo.charts()) == 2


def test_threads_take_turns(yahoo: YahooReplay) -> None:
    symbols = [f"S{n}" for n in range(8)]
    for n, symbol in enumerate(symbols):
        yahoo.script(f"{symbol}.AX", Reply(500 + n, delay=0.02))

    def reason(symbol: str) -> str:
        return only(source(yahoo, attempts=1).fetch(duckdb.connect(), [week(symbol)])).failed[symbol]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(reason, symbols)) == [f"Yahoo answered HTTP {500 + n}" for n in range(8)]
    at = [asked.at for asked in yahoo.charts()]
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
def test_without_a_home_that_can_be_written_and_with_either_http_client(
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
    assert list(tmp_path.iterdir()) == []  # and leaves nothing behind


# --- recorded answers ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded answers of Yahoo are not on this machine")
@pytest.mark.parametrize(
    ("code", "file", "start", "end", "count", "events"),
    [
        ("NVDA", "historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv.json",
         date(2021, 2, 1), date(2022, 1, 31), 252, {date(2021, 7, 20): (0.0, 4.0)}),
        ("MSFT", "historical-via-chart-MSFT-dividends-2021-02-01-to-2022-01-31.csv.json",
         date(2021, 2, 1), date(2022, 1, 31), 252,
         {date(2021, 2, 17): (0.56, 1.0), date(2021, 5, 19): (0.56, 1.0),
          date(2021, 8, 18): (0.56, 1.0), date(2021, 11, 17): (0.62, 1.0)}),
        ("TSLA", "historical-via-chart-dividends-TSLA-no-dividends.json",
         date(2010, 6, 29), date(2023, 8, 11), 3303, {}),
        ("ALL.AX", "portfolio/yahoo_australian_quotes.txt", date(2021, 10, 13), date(2022, 1, 13), 64, {}),
    ],
)  # fmt: skip
def test_recorded(
    yahoo: YahooReplay,
    con: DuckDBPyConnection,
    code: str,
    file: str,
    start: date,
    end: date,
    count: int,
    events: dict[date, tuple[float, float]],
) -> None:
    body = recorded(RECORDINGS / file)
    yahoo.script(code, body)
    symbol, suffix = code.removesuffix(".AX"), ".AX" if code.endswith(".AX") else ""
    timezone = SYDNEY if suffix else NEW_YORK
    answer = only(source(yahoo, suffix, timezone).fetch(con, [Window(symbol, start, end)]))

    result = body["chart"]["result"][0]
    quote, adjusted = result["indicators"]["quote"][0], result["indicators"]["adjclose"][0]["adjclose"]
    days = [datetime.fromtimestamp(stamp, ZoneInfo(timezone)).date() for stamp in result["timestamp"]]
    bars = rows(answer.bars, "date, open, high, low, close, volume, adjusted_close")
    assert len(bars) == count
    assert (days[0], days[-1]) == (bars[0][0], bars[-1][0])
    columns = (quote[name] for name in (*PRICES, "volume"))
    assert bars == list(zip(days, *columns, adjusted, strict=True))
    found = rows(answer.bars, "date, dividend, split_ratio")
    assert {day: (dividend, ratio) for day, dividend, ratio in found if (dividend, ratio) != (0.0, 1.0)} == events
