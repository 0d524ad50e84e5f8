"""Polygon's dividends and splits: each counts once, and what does not count is reported."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from tests.polygon_vendor import (
    FRIDAY,
    GROUPED,
    MONDAY,
    Vendor,
    bar,
    cells,
    dividend,
    market,
    ok,
    rows,
    source,
    split,
    week,
)

TUESDAY, WEDNESDAY = MONDAY + timedelta(1), MONDAY + timedelta(2)
SYMBOLS = ("A", "B", "C")


def actions(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> dict[tuple[str, date], tuple[float, float]]:
    """Return the dividend and the split ratio of each symbol and day that has one."""
    (answer,) = source(vendor).fetch(con, week(*SYMBOLS))
    return {
        (row["symbol"], row["date"]): (row["dividend"], row["split_ratio"])
        for row in rows(answer)
        if row["dividend"] or row["split_ratio"] != 1
    }


def test_what_is_listed_twice_counts_once_and_is_reported(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    market(vendor, *SYMBOLS)
    vendor.routes["/v3/reference/splits"] = [
        ok([split("A", TUESDAY, 1, 4), split("A", TUESDAY, 1, 4), split("B", TUESDAY, 2, 8)])
    ]
    quarterly = dividend("A", WEDNESDAY, 0.25)
    paid = [dividend("B", WEDNESDAY, 0.25) | {"pay_date": f"2024-04-{day:02}"} for day in (1, 1, 15)]
    special = dividend("C", WEDNESDAY, 0.25) | {"dividend_type": "SC"}
    vendor.routes["/v3/reference/dividends"] = [
        ok([quarterly, quarterly | {"pay_date": "2024-04-01"}, *paid, dividend("C", WEDNESDAY, 0.25), special])
    ]
    polygon = source(vendor)
    (answer,) = polygon.fetch(con, week(*SYMBOLS))
    found = {(row["symbol"], row["date"]): row for row in rows(answer)}
    assert found["A", TUESDAY]["split_ratio"] == 4.0
    assert found["B", TUESDAY]["split_ratio"] == 4.0
    assert found["A", WEDNESDAY]["dividend"] == 0.25
    assert found["B", WEDNESDAY]["dividend"] == 0.5, "two payments with one ex-date"
    assert found["C", WEDNESDAY]["dividend"] == 0.5, "an ordinary and a special one"
    assert cells(answer) == []
    (note,) = polygon.notes()
    assert note == (
        "polygon lists 3 dividends or splits more than once, which count once; the first: the split of A on 2024-03-12"
    )


def test_the_same_id_is_the_same_dividend(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    market(vendor, *SYMBOLS)
    entries = [dividend("A", TUESDAY, 0.25) | {"id": "E1", "pay_date": f"2024-04-0{day}"} for day in (1, 2)]
    vendor.routes["/v3/reference/dividends"] = [ok(entries)]
    assert actions(vendor, con) == {("A", TUESDAY): (0.25, 1.0)}


@pytest.mark.parametrize(
    ("opening", "ratio", "choice"),
    [(102.0, 2.0, "2"), (48.0, 4.0, "4"), (199.0, None, "none of them"), (None, None, "none of them")],
)
def test_of_two_splits_on_a_day_the_price_step_decides(
    vendor: Vendor, con: duckdb.DuckDBPyConnection, opening: float | None, ratio: float | None, choice: str
) -> None:
    market(vendor, *SYMBOLS)
    vendor.routes[f"{GROUPED}/{MONDAY}"] = [ok([bar(MONDAY, 200.0, "A")])]
    prices = bar(TUESDAY, 100.0, "A") | {"o": opening}
    vendor.routes[f"{GROUPED}/{TUESDAY}"] = [ok([bar(TUESDAY, 9.0, "B"), *([prices] if opening else [])])]
    vendor.routes["/v3/reference/splits"] = [ok([split("A", TUESDAY, 1, 4), split("A", TUESDAY, 1, 2)])]
    polygon = source(vendor)
    (answer,) = polygon.fetch(con, week(*SYMBOLS))
    assert [r["split_ratio"] for r in rows(answer) if (r["symbol"], r["date"]) == ("A", TUESDAY)] == [ratio]
    (note,) = polygon.notes()
    assert note == f"polygon lists the splits 2:1 and 4:1 of A on 2024-03-12: the price step supports {choice}"
    reason = "several splits on one day, and no price step that supports one of them"
    undecided = [("A", TUESDAY, "split_ratio", text, reason) for text in ("2:1", "4:1")]
    assert cells(answer) == ([] if ratio else undecided)


def test_a_previous_close_before_the_window_is_requested(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    market(vendor, *SYMBOLS)
    friday_before = MONDAY - timedelta(3)
    around = [bar(friday_before, 40.0), bar(MONDAY, 10.0)]
    vendor.routes[f"/v2/aggs/ticker/A/range/1/day/{MONDAY - timedelta(14)}/{MONDAY}"] = [ok(around)]
    vendor.routes["/v3/reference/splits"] = [ok([split("A", MONDAY, 1, 4), split("A", MONDAY, 1, 2)])]
    assert actions(vendor, con) == {("A", MONDAY): (0.0, 4.0)}


def test_a_buyout_of_small_holders_is_no_split_at_all(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    market(vendor, *SYMBOLS)
    vendor.routes["/v3/reference/splits"] = [ok([split("A", TUESDAY, 100, 1), split("A", TUESDAY, 1, 100)])]
    assert actions(vendor, con) == {}


def test_events_that_cannot_be_used_are_reported(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    market(vendor, *SYMBOLS)
    foreign = dividend("A", TUESDAY, 30.0) | {"currency": "JPY"}
    domestic = dividend("A", TUESDAY, 0.25) | {"currency": "usd"}
    broken: dict[str, Any] = {"ticker": "C", "ex_dividend_date": "soon", "cash_amount": 1}
    vendor.routes["/v3/reference/dividends"] = [
        ok([foreign, domestic, dividend("B", TUESDAY, -1.0), dividend("B", TUESDAY, 0) | {"cash_amount": "x"}, broken])
    ]
    vendor.routes["/v3/reference/splits"] = [ok([split("B", TUESDAY, 0, 4), split("B", TUESDAY, 1, 0)])]
    (answer,) = source(vendor).fetch(con, week(*SYMBOLS))
    assert [(r["dividend"], r["split_ratio"]) for r in rows(answer) if r["date"] == TUESDAY] == [
        (0.25, 1.0),
        (0.0, 1.0),
        (0.0, 1.0),
    ]
    assert cells(answer) == [
        ("A", TUESDAY, "dividend", "30.0 JPY", "not in USD, the currency of the prices"),
        ("B", TUESDAY, "dividend", "-1.0", "below 0"),
        ("B", TUESDAY, "dividend", "x", "no number"),
        ("B", TUESDAY, "split_ratio", "0:1", "not above 0"),
        ("B", TUESDAY, "split_ratio", "4:0", "no number"),
        ("C", None, "dividend", "1", "no ex-date that can be read"),
    ]


def test_an_entry_without_a_ticker_is_reported_once(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    market(vendor, *SYMBOLS)
    vendor.routes[f"{GROUPED}/{MONDAY}"] = [ok([bar(MONDAY, ticker="A"), {"c": 5.0}])]
    polygon = source(vendor)
    (first,), (second,) = [list(polygon.fetch(con, week(*symbols))) for symbols in ("ABC", "DEF")]
    assert cells(first) == [(None, None, None, '{"c":5.0}', "no ticker")]
    assert cells(second) == []


def test_an_empty_answer_for_a_session_is_requested_again(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    market(vendor, *SYMBOLS)
    vendor.routes[f"{GROUPED}/{TUESDAY}"] = [ok([]), ok(), ok([bar(TUESDAY, 11.0, symbol) for symbol in SYMBOLS])]
    (answer,) = source(vendor).fetch(con, week(*SYMBOLS))
    assert len(rows(answer)) == 15
    assert answer.failed == {}


def test_after_a_session_that_stays_empty_no_bar_hides_the_gap(vendor: Vendor, tmp_path: Path) -> None:
    symbols = [f"S{number}" for number in range(9)]
    market(vendor, *symbols)
    vendor.routes[f"{GROUPED}/{WEDNESDAY}"] = [ok([])]
    lake = Lake(str(tmp_path))
    now = datetime(2024, 3, 16, 12, tzinfo=UTC)
    event = {"symbols": symbols, "date": "2024-03-16", "batchNumber": 0, "start": str(MONDAY)}
    result = fetch_batch(event, lake, source(vendor), MARKETS["US"], now)
    assert (result["rows"], str(result["last_date"])) == (18, str(TUESDAY))
    assert {item["symbol"]: item["reason"] for item in result["missing"]} == dict.fromkeys(
        symbols, f"polygon {GROUPED}/{WEDNESDAY}: the answer for a session is empty"
    )
    assert vendor.paths(f"{GROUPED}/{WEDNESDAY}") == [f"{GROUPED}/{WEDNESDAY}"] * 3, "three attempts, no more"
    market(vendor, *symbols)
    for days in range(3, 21):  # the trailing sessions before that week
        vendor.routes[f"{GROUPED}/{MONDAY - timedelta(days)}"] = [ok([bar(MONDAY - timedelta(days), ticker="OTHER")])]
    assert fetch_batch(event, lake, source(vendor), MARKETS["US"], now)["missing"] == []
    with lake.session() as con:
        assert con.sql("SELECT count(*) FROM bars").fetchall() == [(45,)]


def test_an_empty_answer_for_a_holiday_is_none(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    good_friday = date(2024, 3, 29)
    windows = [type(week("A")[0])(symbol, good_friday, good_friday) for symbol in SYMBOLS]
    (answer,) = source(vendor).fetch(con, windows)
    assert (answer.symbols, answer.failed, rows(answer)) == (SYMBOLS, {}, [])
    assert len(vendor.paths(GROUPED)) == 1


EVENTS = st.lists(
    st.one_of(
        st.builds(dividend, st.sampled_from(SYMBOLS), st.just(TUESDAY), st.sampled_from([0.1, 0.25, 3.0])),
        st.builds(split, st.sampled_from(["A", "B"]), st.just(WEDNESDAY), st.just(1), st.sampled_from([4])),
    ),
    max_size=6,
    unique_by=lambda event: json.dumps(event, sort_keys=True),
)


@examples(
    max_examples=examples.default.max_examples // 5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(events=EVENTS, data=st.data())
def test_repetitions_never_change_an_event(
    events: list[dict[str, Any]], data: st.DataObject, vendor: Vendor, con: duckdb.DuckDBPyConnection
) -> None:
    """Any entry again, in any order and on any page, has no effect."""
    market(vendor, *SYMBOLS)
    again = data.draw(st.lists(st.sampled_from(events), max_size=6)) if events else []
    results = []
    for entries in (events, data.draw(st.permutations([*events, *again]))):
        for kind, field in (("dividends", "ex_dividend_date"), ("splits", "execution_date")):
            vendor.routes[f"/v3/reference/{kind}"] = [ok([event for event in entries if field in event])]
        results.append(actions(vendor, con))
    once, repeated = results
    assert once.keys() == repeated.keys()
    for key, values in once.items():
        assert repeated[key] == pytest.approx(values, rel=1e-12)
    expected = {event["ticker"] for event in events if "split_from" in event}
    assert {symbol for (symbol, day), (_, ratio) in once.items() if ratio == 4 and day == WEDNESDAY} == expected
    assert FRIDAY not in {day for _, day in once}
