"""Yahoo's events and values that cannot be used: left out, reported, and nothing twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from duckdb import DuckDBPyConnection

from stockstream.pipeline.sources.base import Answer, Window
from tests.pipeline.yahoo_week import FRIDAY, MONDAY, SYDNEY, TUESDAY, WEDNESDAY, WEEK, only, rows, source, week
from tests.yahoo_replay import Chart, YahooReplay, chart

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def cells(answer: Answer) -> list[tuple[object, ...]]:
    assert answer.cells is not None
    assert answer.cells.columns == ["symbol", "date", "column_name", "text", "reason", "file", "line"]
    return sorted(row[1:5] for row in answer.cells.fetchall())


def fetch(yahoo: YahooReplay, con: DuckDBPyConnection, body: Chart, window: Window | None = None) -> Answer:
    yahoo.script("BHP.AX", body)
    return only(source(yahoo).fetch(con, [window or week()]))


def test_values_that_are_no_numbers_are_missing_and_reported(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    body = chart("BHP.AX", WEEK)
    quote = body["chart"]["result"][0]["indicators"]["quote"][0]
    quote["close"][1], quote["high"][2], quote["open"][0] = "n/a", float("inf"), "41.0"
    answer = fetch(yahoo, con, body)
    assert rows(answer.bars, "open, high, close")[:3] == [(41.0, 42.0, 41.5), (42.0, 43.0, None), (43.0, None, 43.5)]
    assert cells(answer) == [
        (TUESDAY, "close", "n/a", "no number"),
        (WEDNESDAY, "high", "inf", "no number"),
    ]


def test_a_volume_that_no_column_holds_is_missing_and_reported(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    body = chart("BHP.AX", WEEK)
    body["chart"]["result"][0]["indicators"]["quote"][0]["volume"][1] = 1e300
    answer = fetch(yahoo, con, body)
    assert rows(answer.bars, "volume")[1] == (None,)
    assert cells(answer) == [(TUESDAY, "volume", "1e+300", "too large")]


def test_events_that_are_listed_twice_count_once(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    body = chart("BHP.AX", WEEK, {TUESDAY: 0.25}, {WEDNESDAY: (4, 1)})
    for kind, events in body["chart"]["result"][0]["events"].items():
        (event,) = events.values()
        events["again"] = (
            event | {"date": event["date"] + 60} | ({"numerator": 8, "denominator": 2} if kind == "splits" else {})
        )
    answer = fetch(yahoo, con, body)
    assert rows(answer.bars, "date, dividend, split_ratio")[1:3] == [(TUESDAY, 0.25, 1.0), (WEDNESDAY, 0.0, 4.0)]
    assert answer.cells is None


def test_a_dividend_in_another_currency_is_left_out(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    body = chart("BHP.AX", WEEK, {TUESDAY: 0.25, WEDNESDAY: 0.5, FRIDAY: 1.0})
    currencies = iter(("USD", "AUD", ""))
    for event in body["chart"]["result"][0]["events"]["dividends"].values():
        event["currency"] = next(currencies)
    answer = fetch(yahoo, con, body)
    assert rows(answer.bars, "dividend") == [(0.0,), (0.0,), (0.5,), (0.0,), (1.0,)]
    assert cells(answer) == [(TUESDAY, "dividend", "0.25 USD", "not in AUD, the currency of the prices")]


def test_a_split_without_a_ratio_is_reported(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    answer = fetch(yahoo, con, chart("BHP.AX", WEEK, splits={TUESDAY: (0, 1), WEDNESDAY: (1, 10)}))
    assert rows(answer.bars, "split_ratio")[1:3] == [(1.0,), (0.1,)]
    assert cells(answer) == [(TUESDAY, "split_ratio", "0:1", "no ratio that can be read")]


def test_a_split_of_a_day_to_come_is_in_no_price(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    """The list of splits may be ahead of the prices; the basis is never a day in the future."""
    with time_machine.travel(datetime(2026, 8, 5, 19, tzinfo=ZoneInfo(SYDNEY)), tick=True):
        body = chart("BHP.AX", WEEK[:3], splits={FRIDAY: (2, 1)})
        answer = fetch(yahoo, con, body, Window("BHP", MONDAY, FRIDAY + timedelta(1)))
    assert {basis for (basis,) in rows(answer.bars, "price_basis")} == {WEDNESDAY}
