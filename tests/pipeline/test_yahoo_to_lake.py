"""The effect of each of Yahoo's answers on the lake: the real yfinance, the whole pipeline, on a folder and on S3."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources import open_source
from tests.yahoo_replay import (
    EMPTY_BODY,
    MALFORMED,
    NO_DATA,
    NOT_FOUND,
    RATE_LIMITED,
    SERVER_ERROR,
    Reply,
    YahooReplay,
    chart,
)

ASX = MARKETS["ASX"]
SYDNEY = ZoneInfo("Australia/Sydney")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MONDAY = date(2026, 8, 3)
WEEK = [MONDAY + timedelta(days=n) for n in range(5)]
FRIDAY = WEEK[-1]
BARS = [(day, 41.0 + n, 42.0 + n, 40.5 + n, 41.5 + n, 1000 + n) for n, day in enumerate(WEEK)]


def fetch(uri: str, symbols: str, at: datetime | None = None, **options: Any) -> dict[str, Any]:
    """Run the pipeline at a time in Sydney, by default on Friday evening."""
    with time_machine.travel(at or datetime(2026, 8, 7, 19, tzinfo=SYDNEY), tick=True):
        return run(
            Lake(uri),
            open_source("yahoo", ASX, settings()),
            ASX,
            symbols=symbols.split(","),
            **{"start": MONDAY, **options},
        )


def rows(uri: str, query: str) -> list[tuple[Any, ...]]:
    with Lake(uri).session() as con:
        return con.sql(query).fetchall()


def test_history_with_split_and_dividend(yahoo: YahooReplay, lake_uri: str) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", BARS, dividends={WEEK[1]: 0.5}, splits={WEEK[3]: (2, 1)}))
    result = fetch(lake_uri, "BHP")
    assert (result["status"], result["rows"], result["missing"]) == ("complete", 5, [])
    assert result["files"] == ["raw-data/2026-08-07-batch-0.parquet"]
    stored = rows(
        lake_uri, "SELECT symbol, date, open, high, low, close, volume, source, price_basis FROM bars ORDER BY date"
    )
    assert stored == [("BHP", *bar, "yahoo", FRIDAY) for bar in BARS]
    assert rows(lake_uri, "SELECT date, dividend, split_ratio FROM actions ORDER BY date") == [
        (WEEK[1], 0.5, 1.0),
        (WEEK[3], 0.0, 2.0),
    ]


def test_a_second_run_sends_no_request_and_changes_nothing(yahoo: YahooReplay, lake_uri: str) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", BARS))
    fetch(lake_uri, "BHP")
    files, requests = Lake(lake_uri).store.list(""), len(yahoo.charts())
    again = fetch(lake_uri, "BHP")
    assert (again["status"], again["rows"], again["up_to_date"]) == ("complete", 0, 1)
    assert (Lake(lake_uri).store.list(""), len(yahoo.charts())) == (files, requests)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (NOT_FOUND, "Yahoo knows no symbol NF.AX (404)"),
        (SERVER_ERROR, "Yahoo answered HTTP 500"),
        (EMPTY_BODY, "Yahoo's answer is empty"),
        (MALFORMED, "Yahoo's answer is not JSON"),
    ],
    ids=["404", "500", "empty body", "malformed JSON"],
)
def test_one_failing_symbol_is_recorded_and_the_batch_goes_on(
    answer: Reply, reason: str, yahoo: YahooReplay, lake_uri: str
) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", BARS))
    yahoo.script("NF.AX", answer)
    yahoo.script("CBA.AX", chart("CBA.AX", BARS))
    result = fetch(lake_uri, "BHP,NF,CBA")
    assert (result["status"], result["rows"]) == ("partial", 10)
    assert result["missing"] == [{"symbol": "NF", "reason": reason}]
    assert rows(lake_uri, "SELECT symbol, count(*) FROM bars GROUP BY symbol ORDER BY symbol") == [
        ("BHP", 5),
        ("CBA", 5),
    ]


def test_429_then_success(yahoo: YahooReplay, lake_uri: str) -> None:
    yahoo.script("BHP.AX", RATE_LIMITED, RATE_LIMITED, chart("BHP.AX", BARS))
    assert fetch(lake_uri, "BHP")["status"] == "complete"
    assert rows(lake_uri, "SELECT count(*) FROM bars") == [(5,)]


def test_a_permanent_429_stores_the_answers_so_far_and_ends_the_requests(yahoo: YahooReplay, lake_uri: str) -> None:
    yahoo.script("AAA.AX", chart("AAA.AX", BARS))
    yahoo.script("BHP.AX", RATE_LIMITED)
    for symbol in ("CBA", "DDD"):
        yahoo.script(f"{symbol}.AX", chart(f"{symbol}.AX", BARS))
    result = fetch(lake_uri, "AAA,BHP,CBA,DDD", batch_size=2)
    assert result["status"] == "partial"
    assert {item["symbol"] for item in result["missing"]} == {"BHP", "CBA", "DDD"}
    assert all("429" in item["reason"] for item in result["missing"])
    assert rows(lake_uri, "SELECT DISTINCT symbol FROM bars") == [("AAA",)]
    assert not yahoo.charts("CBA.AX")
    assert not yahoo.charts("DDD.AX")

    yahoo.script("BHP.AX", chart("BHP.AX", BARS))  # the ban is over: the next run fetches only the rest
    requests = len(yahoo.charts("AAA.AX"))
    assert fetch(lake_uri, "AAA,BHP,CBA,DDD", batch_size=2)["status"] == "complete"
    assert len(yahoo.charts("AAA.AX")) == requests
    assert rows(lake_uri, "SELECT count(*) FROM bars") == [(20,)]


def test_a_run_without_any_answer_is_failed(yahoo: YahooReplay, lake_uri: str) -> None:
    result = fetch(lake_uri, "NF")
    assert (result["status"], result["rows"], result["files"]) == ("failed", 0, [])


def test_no_rows_in_the_window_is_no_failure(yahoo: YahooReplay, lake_uri: str) -> None:
    yahoo.script("HALT.AX", NO_DATA)
    assert fetch(lake_uri, "HALT")["status"] == "complete"


def test_a_bar_without_its_close_is_held_back_until_the_close_is_there(yahoo: YahooReplay, lake_uri: str) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", [*BARS[:4], (FRIDAY, None, None, None, None, 999)]))
    result = fetch(lake_uri, "BHP")
    assert result["status"] == "partial", result
    assert result["missing"] == [{"symbol": "BHP", "reason": "no close yet for 2026-08-07"}]
    assert rows(lake_uri, "SELECT max(date) FROM bars") == [(WEEK[3],)]
    assert rows(lake_uri, "SELECT symbol, date, volume FROM unsettled") == [("BHP", FRIDAY, 999)]

    yahoo.script("BHP.AX", chart("BHP.AX", BARS))
    assert fetch(lake_uri, "BHP", at=datetime(2026, 8, 7, 20, tzinfo=SYDNEY))["status"] == "complete"
    assert rows(lake_uri, "SELECT close FROM bars WHERE date = '2026-08-07'") == [(45.5,)]
    assert rows(lake_uri, "FROM unsettled") == []

    # If the close is missing again later, the stored bar stays.
    yahoo.script("BHP.AX", chart("BHP.AX", [*BARS[:4], (FRIDAY, None, None, None, None, 999)]))
    later = fetch(lake_uri, "BHP", at=datetime(2026, 8, 10, 19, tzinfo=SYDNEY))
    assert later["missing"] == [], "the lake has that close"
    assert rows(lake_uri, "SELECT close FROM bars WHERE date = '2026-08-07'") == [(45.5,)]


def test_a_bar_of_the_past_without_a_close_is_pending_and_not_missing(yahoo: YahooReplay, lake_uri: str) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", [*BARS[:2], (WEEK[2], None, None, None, None, 999), *BARS[3:]]))
    result = fetch(lake_uri, "BHP")
    assert (result["status"], result["rows"]) == ("complete", 5)
    assert rows(lake_uri, "SELECT date FROM unsettled") == [(WEEK[2],)]
    assert rows(lake_uri, "SELECT date FROM gaps") == [(WEEK[2],)]


def test_bar_of_a_session_still_open_is_not_stored(yahoo: YahooReplay, lake_uri: str) -> None:
    noon = datetime(2026, 8, 7, 12, tzinfo=SYDNEY)
    yahoo.script("BHP.AX", chart("BHP.AX", [*BARS[:4], (noon.replace(tzinfo=None), 45.0, 45.2, 44.9, 45.1, 7)]))
    assert fetch(lake_uri, "BHP", at=noon)["status"] == "complete"
    assert rows(lake_uri, "SELECT max(date) FROM latest_bars") == [(WEEK[3],)]

    yahoo.script("BHP.AX", chart("BHP.AX", BARS))
    fetch(lake_uri, "BHP", at=datetime(2026, 8, 7, 16, 45, tzinfo=SYDNEY))  # the close is at 16:10, final at 16:40
    assert rows(lake_uri, "SELECT close FROM bars WHERE date = '2026-08-07'") == [(45.5,)]


def test_late_correction_arrives_with_the_trailing_sessions(yahoo: YahooReplay, lake_uri: str) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", BARS))
    fetch(lake_uri, "BHP")
    monday = (MONDAY + timedelta(days=7), 46.0, 47.0, 45.0, 46.5, 1)
    corrected = [(*BARS[2][:4], 43.75, 5555), *BARS[3:], monday]
    yahoo.script("BHP.AX", chart("BHP.AX", [*BARS[:2], *corrected]))
    result = fetch(lake_uri, "BHP", at=datetime(2026, 8, 10, 19, tzinfo=SYDNEY))
    assert result["rows"] == 2, "the corrected bar and the new one, none of the unchanged ones"
    assert rows(lake_uri, "SELECT close, volume FROM bars WHERE date = '2026-08-05'") == [(43.75, 5555)]
    versions = rows(lake_uri, "SELECT close FROM raw_bars WHERE date = '2026-08-05' ORDER BY fetch_timestamp")
    assert versions == [(43.5,), (43.75,)], "the earlier version stays readable"


@pytest.mark.large
def test_history_of_a_new_symbol_beside_an_old_one(yahoo: YahooReplay, lake_uri: str) -> None:
    for symbol in ("BHP", "CBA"):
        yahoo.script(f"{symbol}.AX", chart(f"{symbol}.AX", BARS))
    fetch(lake_uri, "BHP", start=FRIDAY)
    assert rows(lake_uri, "SELECT count(*) FROM bars") == [(1,)]
    fetch(lake_uri, "BHP,CBA", start=MONDAY)
    assert rows(lake_uri, "SELECT symbol, count(*) FROM bars GROUP BY symbol ORDER BY symbol") == [
        ("BHP", 1),
        ("CBA", 5),
    ]
    fetch(lake_uri, "BHP", start=MONDAY, end=FRIDAY)  # backfill
    assert rows(lake_uri, "SELECT count(*) FROM bars WHERE symbol = 'BHP'") == [(5,)]


@pytest.mark.large
def test_a_split_listed_before_the_prices_are_restated(yahoo: YahooReplay, lake_uri: str) -> None:
    """Yahoo sometimes lists a split days before it restates the prices: stored and new prices stay right."""
    yahoo.script("BHP.AX", chart("BHP.AX", [(day, 40.0, 40.0, 40.0, 40.0, 100) for day in WEEK[:3]]))
    fetch(lake_uri, "BHP", at=datetime(2026, 8, 5, 19, tzinfo=SYDNEY))
    late = [(day, 40.0, 40.0, 40.0, 40.0, 100) for day in WEEK[:3]] + [(WEEK[3], 20.0, 20.0, 20.0, 20.0, 200)]
    yahoo.script("BHP.AX", chart("BHP.AX", late, splits={WEEK[3]: (2, 1)}))
    for evening in (6, 7):
        fetch(lake_uri, "BHP", at=datetime(2026, 8, evening, 19, tzinfo=SYDNEY))
        adjusted = rows(lake_uri, "SELECT close FROM bars_adjusted ORDER BY date")
        assert adjusted == [(20.0,)] * 4
    restated = [(day, 20.0, 20.0, 20.0, 20.0, 200) for day in WEEK]
    yahoo.script("BHP.AX", chart("BHP.AX", restated, splits={WEEK[3]: (2, 1)}))
    fetch(lake_uri, "BHP", at=datetime(2026, 8, 7, 20, tzinfo=SYDNEY))
    assert rows(lake_uri, "SELECT close FROM bars_adjusted ORDER BY date") == [(20.0,)] * 5
