"""Good answers of Yahoo through the real yfinance with its real HTTP client, against a replay on loopback."""

from __future__ import annotations

import gc
import json
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from duckdb import DuckDBPyConnection

from stockstream.pipeline.sources.base import Window
from tests.pipeline.yahoo_week import (
    COLUMNS,
    MONDAY,
    NEW_YORK,
    PRICES,
    RECORDINGS,
    SYDNEY,
    TUESDAY,
    WEDNESDAY,
    WEEK,
    only,
    rows,
    source,
    week,
)
from tests.yahoo_replay import Reply, YahooReplay, chart, recorded

# pandas warns that yfinance calls it in a way that pandas 4 drops.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


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


def test_a_window_is_one_request_and_includes_both_ends(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", WEEK))
    answer = only(source(yahoo).fetch(con, [Window("BHP", TUESDAY, WEDNESDAY)]))
    assert rows(answer.bars, "date") == [(TUESDAY,), (WEDNESDAY,)]
    (request,) = yahoo.charts()
    assert request.host == "query2.finance.yahoo.com"
    assert request.query["interval"] == "1d"
    midnights = [datetime(2026, 8, day, tzinfo=ZoneInfo(SYDNEY)).timestamp() for day in (4, 6)]
    assert [int(request.query[k]) for k in ("period1", "period2")] == midnights


@pytest.mark.parametrize(
    ("suffix", "symbol", "code"), [(".AX", "BHP", "BHP.AX"), ("", "BRK.B", "BRK-B"), ("", "AAPL", "AAPL")]
)
def test_yahoos_code_is_in_the_request_only(
    yahoo: YahooReplay, con: DuckDBPyConnection, suffix: str, symbol: str, code: str
) -> None:
    timezone = SYDNEY if suffix else NEW_YORK
    yahoo.script(code, chart(code, WEEK, timezone=timezone))
    answer = only(source(yahoo, suffix, timezone).fetch(con, [week(symbol)]))
    assert answer.symbols == (symbol,)
    assert rows(answer.bars, "symbol, date") == [(symbol, bar[0]) for bar in WEEK]


def test_the_bars_of_many_answers_persist_and_stay_apart(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
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
    final = WEEK[:3] if doubled else WEEK[:2]  # Yahoo may return the day twice: as of its opening and as of now
    yahoo.script("BHP.AX", chart("BHP.AX", [*final, (morning, 43.0, 43.5, 42.5, 43.25, 500)]))
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
    actions = rows(answer.bars, "date, dividend, split_ratio")
    assert {day: (dividend, ratio) for day, dividend, ratio in actions if (dividend, ratio) != (0.0, 1.0)} == events
