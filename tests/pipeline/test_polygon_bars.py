"""Bars from Polygon: which calls are made for which windows, and what their answers become."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from stockstream.pipeline.sources.base import Window
from tests.polygon_vendor import (
    FRIDAY,
    GROUPED,
    LONG,
    MONDAY,
    Vendor,
    bar,
    cells,
    dividend,
    market,
    millis,
    ok,
    rows,
    source,
    split,
    week,
)


def test_many_symbols_and_few_days_request_the_markets_days(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    symbols = [f"S{n:02}" for n in range(20)]
    market(vendor, *symbols, "OTHER")
    (answer,) = source(vendor).fetch(con, [Window(s, MONDAY - timedelta(2), FRIDAY) for s in symbols])
    assert sorted(answer.symbols) == symbols
    assert answer.failed == {}
    assert len(vendor.paths(GROUPED)) == 5  # no call for the weekend
    assert vendor.paths("/v2/aggs/ticker") == []
    assert all(params["adjusted"] == "false" for path, params in vendor.requests if path.startswith(GROUPED))
    bars = rows(answer)
    assert {row["symbol"] for row in bars} == set(symbols)
    assert len(bars) == 100
    assert bars[1] == {
        "symbol": "S00",
        "date": MONDAY + timedelta(1),
        "open": 10.0,
        "high": 12.0,
        "low": 9.0,
        "close": 11.0,
        "volume": 1000,
        "adjusted_close": None,
        "dividend": 0.0,
        "split_ratio": 1.0,
        "price_basis": MONDAY + timedelta(1),
    }


def test_one_symbol_and_many_days_request_its_aggregates(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    vendor.aggregates("AAPL", ok([bar(MONDAY, volume=6.3896155e07), bar(FRIDAY, 12.5)], ticker="AAPL"))
    (answer,) = source(vendor).fetch(con, [LONG])
    assert answer.symbols == ("AAPL",)
    assert [(row["date"], row["close"], row["volume"]) for row in rows(answer)] == [
        (MONDAY, 10.0, 63896155),
        (FRIDAY, 12.5, 1000),
    ]
    assert vendor.paths(GROUPED) == []
    assert vendor.requests[0][1] == {"adjusted": "false", "sort": "asc", "limit": "50000"}
    assert {params["ticker"] for path, params in vendor.requests if path.startswith("/v3")} == {"AAPL"}


def test_a_long_history_among_short_windows_is_requested_alone(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    symbols = [f"S{n}" for n in range(9)]
    market(vendor, *symbols)
    vendor.aggregates("AAPL", ok([bar(MONDAY)]))
    first, second = source(vendor).fetch(con, [LONG, *week(*symbols)])
    assert sorted(first.symbols) == symbols
    assert second.symbols == ("AAPL",)
    assert len(vendor.requests) == (5 + 2) + 3


def test_volume_in_scientific_notation_and_unusable_values(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    body = (
        '{"status":"DELAYED","results":['
        f'{{"v":6.3896155e+07,"o":1e1,"h":"12","l":null,"c":{{}},"t":{millis(MONDAY, 0)}.0}},'
        f'{{"v":"NaN","o":"x","t":{millis(FRIDAY, 0):e}}},{{"t":1e300}},{{"t":null}},7,null]}}'
    )
    vendor.aggregates("AAPL", (200, {}, body))
    (answer,) = source(vendor).fetch(con, [LONG])
    names = ("date", "open", "high", "low", "close", "volume")
    assert [tuple(row[name] for name in names) for row in rows(answer)][:1] == [
        (MONDAY, 10.0, 12.0, None, None, 63896155)
    ]
    assert rows(answer)[1]["volume"] is None
    assert cells(answer) == [
        ("AAPL", None, None, "7", "no time that can be read"),
        ("AAPL", None, None, '{"t":1e300}', "no time that can be read"),
        ("AAPL", None, None, '{"t":null}', "no time that can be read"),
        ("AAPL", None, None, None, "no time that can be read"),
        ("AAPL", MONDAY, "close", "{}", "no number"),
        ("AAPL", FRIDAY - timedelta(1), "open", "x", "no number"),
        ("AAPL", FRIDAY - timedelta(1), "volume", "NaN", "no number"),
    ]


@pytest.mark.parametrize("grouped", [True, False])
def test_every_date_of_a_year_is_right_across_the_clock_changes(
    vendor: Vendor, con: duckdb.DuckDBPyConnection, grouped: bool
) -> None:
    con.execute("SET TimeZone = 'Australia/Sydney'")  # a setting of the caller must not move a session
    days = [date(2024, 1, 1) + timedelta(n) for n in range(366)]
    if grouped:
        chosen = [day for day in days if day.month in (3, 11) and day.weekday() < 5]
        windows = [Window(f"S{n}", day, day) for day in chosen for n in range(2)]
        for day in chosen:
            vendor.routes[f"{GROUPED}/{day}"] = [ok([bar(day, ticker=f"S{n}") for n in range(2)])]
    else:
        chosen, windows = days, [LONG]
        vendor.aggregates("AAPL", ok([bar(day) for day in days]))
    (answer,) = source(vendor).fetch(con, windows)
    assert {row["date"] for row in rows(answer)} == set(chosen)


def test_next_url_is_followed_on_the_configured_host(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    following = "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/1/2?cursor=bGltaXQ9Mg"
    vendor.aggregates("AAPL", ok([bar(MONDAY)], next_url=following))
    vendor.routes["/v2/aggs/ticker/AAPL/range/1/day/1/2"] = [ok([bar(FRIDAY)])]
    vendor.routes["/v3/reference/dividends"] = lambda params: (
        ok([dividend("AAPL", FRIDAY, 0.5)])
        if "cursor" in params
        else ok([dividend("AAPL", MONDAY, 0.25)], next_url="https://api.polygon.io/v3/reference/dividends?cursor=x")
    )
    (answer,) = source(vendor).fetch(con, [LONG])
    assert [(row["date"], row["dividend"]) for row in rows(answer)] == [(MONDAY, 0.25), (FRIDAY, 0.5)]
    assert "/v2/aggs/ticker/AAPL/range/1/day/1/2?cursor=bGltaXQ9Mg" in vendor.targets


@pytest.mark.parametrize("symbols", [["A", "B", "C"], ["A"]], ids=["by day", "by ticker"])
def test_dividends_and_splits_are_joined_to_the_bars(
    vendor: Vendor, con: duckdb.DuckDBPyConnection, symbols: list[str]
) -> None:
    windows = week(*symbols)
    if len(symbols) > 1:
        market(vendor, *symbols)
    else:
        aggregates = [bar(MONDAY + timedelta(n), 10.0 + n) for n in range(5)]
        vendor.routes[f"/v2/aggs/ticker/A/range/1/day/{MONDAY}/{FRIDAY}"] = [ok(aggregates)]
    tuesday, sunday = MONDAY + timedelta(1), MONDAY - timedelta(1)
    vendor.routes["/v3/reference/dividends"] = [
        ok([dividend("A", tuesday, 0.25), dividend("A", tuesday, 1.0), dividend("ZZZ", tuesday, 9.0)])
    ]
    vendor.routes["/v3/reference/splits"] = [
        ok([split("A", FRIDAY, 1, 20), split("A", sunday, 3, 1), split("ZZZ", FRIDAY, 1, 2)])
    ]
    (answer,) = source(vendor).fetch(con, windows)
    bars_of_a = [row for row in rows(answer) if row["symbol"] == "A"]
    assert [(row["date"], row["dividend"], row["split_ratio"]) for row in bars_of_a] == [
        (sunday, 0, 1 / 3),  # a day without a bar: the step does not store it as one
        (MONDAY, 0, 1),
        (tuesday, 1.25, 1),
        (tuesday + timedelta(1), 0, 1),
        (tuesday + timedelta(2), 0, 1),
        (FRIDAY, 0, 20),
    ]
    assert {bars_of_a[0][name] for name in ("open", "high", "low", "close", "volume")} == {None}
    assert {row["symbol"] for row in rows(answer)} == set(symbols)
    requests = dict(vendor.requests)
    assert (
        requests["/v3/reference/splits"].items()
        >= {
            "execution_date.gte": str(MONDAY),
            "execution_date.lte": str(FRIDAY),
            "limit": "1000",
        }.items()
    )
    assert "ex_dividend_date.gte" in requests["/v3/reference/dividends"]


def test_a_second_fetch_and_other_batches_repeat_no_request(vendor: Vendor) -> None:
    symbols = [f"S{n:02}" for n in range(24)]
    market(vendor, *symbols)
    polygon = source(vendor)

    def batch(number: int) -> list[dict[str, Any]]:
        with duckdb.connect() as con:
            (answer,) = polygon.fetch(con, week(*symbols[number * 6 : number * 6 + 6]))
            return rows(answer)

    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(batch, range(4)))
    assert [len(batch) for batch in batches] == [30] * 4
    assert len(vendor.requests) == 5 + 2
    assert batch(2) == batches[2]
    assert len(vendor.requests) == 5 + 2
    with duckdb.connect() as con:  # cached days need no request, for one symbol as well
        assert len(rows(next(polygon.fetch(con, week("S00"))))) == 5
    assert len(vendor.requests) == 5 + 2


def test_relations_outlive_later_statements_of_the_connection(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    for symbol in ("A", "B"):
        path = f"/v2/aggs/ticker/{symbol}/range/1/day/{LONG.start}/{LONG.end}"
        vendor.routes[path] = [ok([bar(MONDAY, ord(symbol))])]
    first, second = source(vendor).fetch(con, [Window(s, LONG.start, LONG.end) for s in ("A", "B")])
    con.execute("CREATE TABLE other AS SELECT ? AS x", [1])
    assert con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name <> 'other'").fetchone() == (0,)
    assert [rows(first)[0]["close"], rows(second)[0]["close"], rows(first)[0]["close"]] == [65.0, 66.0, 65.0]
    bars = first.bars
    assert bars is not None
    assert con.sql("SELECT count(*) FROM bars WHERE close > $least", params={"least": 1}).fetchall() == [(1,)]


def test_bars_of_another_day_than_requested_are_dropped_and_reported(
    vendor: Vendor, con: duckdb.DuckDBPyConnection
) -> None:
    market(vendor, "A", "B", "C")
    vendor.routes[f"{GROUPED}/{MONDAY}"] = [ok([bar(date(2020, 10, 14), ticker=s) for s in "ABC"])]
    (answer,) = source(vendor).fetch(con, week("A", "B", "C"))
    assert {row["date"] for row in rows(answer)} == {MONDAY + timedelta(n) for n in range(1, 5)}
    strays = cells(answer)
    assert [(symbol, day, column) for symbol, day, column, _, _ in strays] == [
        (symbol, date(2020, 10, 14), None) for symbol in "ABC"
    ]
    assert {reason for *_, reason in strays} == {f"not of {MONDAY}, the requested day"}
    assert '"T":"A"' in strays[0][3].replace(" ", "")
