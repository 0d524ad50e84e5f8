"""Yahoo's events and values that cannot be used: left out, reported, and nothing twice."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from duckdb import DuckDBPyConnection

from stockstream.pipeline.sources.base import Answer, Window
from tests.pipeline.yahoo_week import FRIDAY, MONDAY, SYDNEY, TUESDAY, WEDNESDAY, WEEK, only, rows, source, week
from tests.yahoo_replay import Chart, Reply, YahooReplay, chart

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


@pytest.mark.parametrize(
    ("kind", "broken", "cell"),
    [
        ("dividends", {"amount": "none"}, (TUESDAY, "dividend", "none", "no dividend that can be read")),
        ("dividends", {"amount": [1]}, (TUESDAY, "dividend", "[1]", "no dividend that can be read")),
        ("dividends", {"amount": float("inf")}, (TUESDAY, "dividend", "inf", "no dividend that can be read")),
        ("dividends", {"date": "Tuesday"}, (None, "dividend", "0.25", "no dividend that can be read")),
        ("splits", {"numerator": "two"}, (TUESDAY, "split_ratio", "two:1", "no ratio that can be read")),
        ("splits", {"denominator": None}, (TUESDAY, "split_ratio", "2:None", "no ratio that can be read")),
        ("capitalGains", {"amount": "none"}, None),
    ],
)
def test_an_event_of_text_costs_a_cell_and_not_the_answer(
    kind: str, broken: dict[str, Any], cell: Any, yahoo: YahooReplay, con: DuckDBPyConnection
) -> None:
    """yfinance refuses the whole answer for one of them."""
    body = chart("BHP.AX", WEEK, {TUESDAY: 0.25, WEDNESDAY: 0.5}, {TUESDAY: (2, 1)})
    events = body["chart"]["result"][0]["events"]
    events["capitalGains"] = dict(events["dividends"])
    key = next(iter(events[kind]))
    events[kind][key] = events[kind][key] | broken
    yahoo.script("BHP.AX", Reply(body=json.dumps(body).encode()))
    answer = only(source(yahoo).fetch(con, [week()]))
    assert rows(answer.bars, "dividend, split_ratio")[:3] == [
        (0.0, 1.0),
        (0.0 if kind == "dividends" else 0.25, 1.0 if kind == "splits" else 2.0),
        (0.5, 1.0),
    ]
    assert (cells(answer) if answer.cells else []) == ([cell] if cell else [])


@pytest.mark.parametrize("broken", ["none", 0.25, [], {"dividends": "none"}, {"dividends": {"x": "none"}}])
def test_events_of_another_shape_cost_no_answer(broken: Any, yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    body = chart("BHP.AX", WEEK)
    body["chart"]["result"][0]["events"] = broken
    yahoo.script("BHP.AX", Reply(body=json.dumps(body).encode()))
    answer = only(source(yahoo).fetch(con, [week()]))
    assert rows(answer.bars, "dividend") == [(0.0,)] * 5
    assert answer.cells is not None or broken == []
    if answer.cells:
        ((day, column, _, reason),) = cells(answer)
        assert (day, column, reason) == (None, "dividend", "no dividend that can be read")


def test_numbers_as_text_are_numbers(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    answer = fetch(yahoo, con, chart("BHP.AX", WEEK, {TUESDAY: "0.25"}, {WEDNESDAY: ("4", "1")}))  # type: ignore[dict-item]
    assert rows(answer.bars, "dividend, split_ratio")[1:3] == [(0.25, 1.0), (0.0, 4.0)]
    assert answer.cells is None


def test_a_split_of_a_day_to_come_is_in_no_price(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    """The list of splits may be ahead of the prices; the basis is never a day in the future."""
    with time_machine.travel(datetime(2026, 8, 5, 19, tzinfo=ZoneInfo(SYDNEY)), tick=True):
        body = chart("BHP.AX", WEEK[:3], splits={FRIDAY: (2, 1)})
        answer = fetch(yahoo, con, body, Window("BHP", MONDAY, FRIDAY + timedelta(1)))
    assert {basis for (basis,) in rows(answer.bars, "price_basis")} == {WEDNESDAY}
