"""Alpaca, Tiingo, EODHD and Stooq: the same questions to each of them, on servers that answer as documented."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from stockstream.analytics import connect
from stockstream.analytics.cli import app
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import ListingsRefused, RateLimited, SourceError, UsageError
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.sources.base import Answer, Source, Window
from tests.polygon_vendor import Reply, Vendor, cells, rows
from tests.vendors import CASES, KEY, MONDAY, SPLIT_DAY, WEEK, Case, History, bar, body

US = MARKETS["US"]
AAPL = Window("AAPL", WEEK[0], WEEK[-1])
GOOD = History([bar(day) for day in WEEK])


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def server(vendor: Vendor, monkeypatch: pytest.MonkeyPatch, case: Case) -> Iterator[Vendor]:
    """Return a server in the place of the vendor, with the keys in the environment."""
    vendor.otherwise = case.unknown
    for variable, key in case.keys.items():
        monkeypatch.setenv(variable, key)
    monkeypatch.setenv(f"STOCKSTREAM_{case.name.upper()}_URL", vendor.url)
    monkeypatch.setenv(f"STOCKSTREAM_{case.name.upper()}_CALLS_PER_MINUTE", "100000")
    for variable, text in (("ATTEMPTS", "2"), ("WAIT", "0"), ("WAIT_MAX", "0")):
        monkeypatch.setenv(f"STOCKSTREAM_RETRY_{variable}", text)
    monkeypatch.setenv("STOCKSTREAM_RESAMPLE", '["weekly"]')  # eight intervals are half of the time of a run
    settings.cache_clear()
    yield vendor
    settings.cache_clear()


def opened(case: Case, market: str = "US") -> Source:
    return open_source(case.name, MARKETS[market], settings())


def answered(case: Case, con: duckdb.DuckDBPyConnection, windows: Sequence[Window] = (AAPL,)) -> Answer:
    (answer,) = opened(case).fetch(con, windows)
    return answer


@pytest.fixture
def week(server: Vendor, case: Case) -> list[dict[str, Any]]:
    """Route a week of AAPL with a dividend and a split, one of BRK.B, and one of ODD that is wrong in every way."""
    split = [bar(day, 40.0 if day < SPLIT_DAY else 10.0, volume=1000 if day < SPLIT_DAY else 4000) for day in WEEK]
    odd: list[dict[str, Any]] = [
        bar(WEEK[0], open=float("nan")),
        bar(WEEK[1]),
        bar(WEEK[1], close=41.0),  # the same day again, and another close
        bar(WEEK[2], volume=...),
        bar(date(2019, 1, 2)),  # not requested
        bar(WEEK[4]) | {"date": "2024-13-45"},
    ]
    histories = {"AAPL": History(split, {WEEK[1]: 0.24}, {SPLIT_DAY: 4}), "BRK.B": GOOD, "ODD": History(odd)}
    case.script(server, histories)
    return split


def test_what_is_good_is_read_and_the_rest_is_named(
    week: list[dict[str, Any]], case: Case, con: duckdb.DuckDBPyConnection
) -> None:
    source = opened(case)
    symbols = ("AAPL", "BRK.B", "ODD", "GONE", "MSFT.US")
    answers = list(source.fetch(con, [Window(symbol, WEEK[0], WEEK[-1]) for symbol in symbols]))
    failed = {symbol: reason for answer in answers for symbol, reason in answer.failed.items()}
    assert {*failed} == {"GONE", "MSFT.US"}
    assert case.name in failed["GONE"]
    assert failed["MSFT.US"].startswith("write MSFT: ")
    came = [row for answer in answers if answer.bars is not None for row in rows(answer)]
    actions = {WEEK[1]: (0.24, 1.0), SPLIT_DAY: (0.0, 4.0)}
    assert [row for row in came if row["symbol"] == "AAPL"] == [
        {
            "symbol": "AAPL",
            **one,
            "adjusted_close": 1.5 if case.has_adjusted_close else None,
            "dividend": actions.get(one["date"], (0.0, 1.0))[0] if case.has_actions else None,
            "split_ratio": actions.get(one["date"], (0.0, 1.0))[1] if case.has_actions else None,
            "price_basis": one["date"],
        }
        for one in week
    ]
    assert len([row for row in came if row["symbol"] == "BRK.B"]) == 5
    unread = [cell for answer in answers if answer.cells is not None for cell in cells(answer)]
    assert [(symbol, day, column, reason) for symbol, day, column, _, reason in unread] == [
        ("ODD", None, None, "no date that can be read"),
        ("ODD", WEEK[0], "open", "no number"),
        ("ODD", WEEK[2], "volume", "the field is missing"),
    ]
    assert [text for _, _, column, text, _ in unread if column == "open"] == [case.nan]
    notes = "\n".join(source.notes())
    assert f"{case.name} sent 1 rows of days that were not requested, which are not used; the first: ODD 2019" in notes
    assert f"{case.name} sent 1 days of a symbol more than once" in notes
    assert ("stooq reports no dividends and no splits" in notes) != case.has_actions


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[] if case.name == "eodhd" else pytest.mark.large, id=case.name) for case in CASES],
    indirect=True,
)
def test_a_run_stores_what_is_good_and_names_the_rest(week: list[dict[str, Any]], case: Case, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    line = f"run --lake {lake} --market US --source {case.name} --symbols AAPL,BRK.B,ODD,GONE"
    ran = CliRunner().invoke(app, [*line.split(), "--start", str(MONDAY), "--date", "2024-03-15", "--json"])
    assert ran.exit_code == 3, ran.output
    result = json.loads(ran.stdout)
    assert [one["symbol"] for one in result["missing"]] == ["GONE"]
    assert {(one["column_name"], one["reason"]) for one in result["quarantined"]} >= {
        ("open", "no number"),
        ("volume", "the field is missing"),
        ("close", "2 rows of this day differ"),
        (None, "no date that can be read"),
    }
    assert f"{case.name} sent 1 days of a symbol more than once" in "\n".join(result["notes"])
    with connect(lake) as con:
        columns = "date, close, volume, price_basis, source"
        stored = con.sql(f"SELECT {columns} FROM bars WHERE symbol = 'AAPL' ORDER BY date")
        assert stored.fetchall() == [(b["date"], b["close"], b["volume"], b["date"], case.name) for b in week]
        actions = con.sql("SELECT date, dividend, split_ratio FROM actions WHERE symbol = 'AAPL' ORDER BY date")
        expected = [(WEEK[1], 0.24, 1.0), (SPLIT_DAY, 0.0, 4.0)]
        assert actions.fetchall() == (expected if case.has_actions else [])
        assert con.sql("SELECT list(date ORDER BY date) FROM bars WHERE symbol = 'ODD'").fetchall() == [
            ([WEEK[0], WEEK[2]],)
        ]
    assert KEY not in ran.output + ran.stderr


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((200, {"Content-Type": "text/html"}, "<html><body>Just a moment…</body></html>"), "an HTML page (<html>"),
        ((200, {}, ""), "the answer is empty"),
        ((200, {}, '[{"date": "2024-03-11", "op'), '[{"date'),
        ((200, {}, '{"unexpected": [1]}'), ""),
        ((200, {}, "[1, 2]"), ""),
        ((200, {}, "\ufeff\r\n"), "the answer is empty"),
        ((302, {"Location": "https://elsewhere.example/"}, ""), "HTTP 302"),
        ((404, {}, "{}"), "HTTP 404"),
        ((502, {}, "<html>Bad gateway</html>"), "HTTP 502: Bad Gateway"),
    ],
)
def test_another_answer_than_documented_is_that_symbols_failure(
    server: Vendor, case: Case, con: duckdb.DuckDBPyConnection, reply: Reply, words: str
) -> None:
    case.script(server, {"AAPL": GOOD})
    server.routes[case.path] = [reply]
    answer = answered(case, con)
    assert (answer.symbols, answer.bars) == ((), None)
    assert case.name in answer.failed["AAPL"]
    assert words in answer.failed["AAPL"]
    assert "\n" not in answer.failed["AAPL"]
    assert con.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)


def test_without_a_connection_the_run_does_not_try_every_symbol(
    server: Vendor, case: Case, con: duckdb.DuckDBPyConnection
) -> None:
    server.server.shutdown()
    server.server.server_close()
    source = opened(case)
    days = [Window("AAPL", day, day) for day in WEEK]  # of different days, so that each is a request of its own
    reasons = [answer.failed["AAPL"] for answer in source.fetch(con, days)]
    assert ["no answer (ConnectionError)" in reason for reason in reasons] == [True, True, True, False, False]
    assert reasons[-1] == f"{case.name} cannot be reached: is there a network?"


def test_a_limit_per_minute_is_waited_for(server: Vendor, case: Case, con: duckdb.DuckDBPyConnection) -> None:
    case.script(server, {"AAPL": GOOD})
    good = server.routes[case.path]
    replies: list[Reply] = [(429, {"Retry-After": "0"}, '{"message": "too many requests."}')]
    server.routes[case.path] = lambda params: replies.pop() if replies else good(params) if callable(good) else good[0]
    assert len(rows(answered(case, con))) == 5


def test_a_limit_that_stays_ends_the_batch(server: Vendor, case: Case, con: duckdb.DuckDBPyConnection) -> None:
    server.routes[case.path] = [(429, {}, '{"message": "too many requests."}')]
    with pytest.raises(RateLimited, match="too many requests"):
        answered(case, con)
    assert len(server.requests) == 2


def test_a_quota_ends_the_run_with_one_request(server: Vendor, case: Case, con: duckdb.DuckDBPyConnection) -> None:
    if case.quota is None:
        pytest.skip(f"{case.name} has a limit per minute only")
    server.routes[case.path] = [case.quota]
    source = opened(case)
    for _ in range(2):  # the next batch of the run
        with pytest.raises(RateLimited, match=f"{case.name}: the quota is used up"):
            list(source.fetch(con, [AAPL]))
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_no_key_is_shown_by_a_refusal_or_in_the_log(
    server: Vendor, case: Case, con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3")  # which `start_logging` quietens
    server.routes[case.path] = [
        (status, {}, json.dumps({"message": f"no access for {chr(10).join(case.keys.values())}"}))
    ]
    with pytest.raises(SourceError, match="refused the key") as caught:
        answered(case, con)
    sent = str(server.targets + server.headers)
    assert KEY in sent or "s3cret%2BKey%2Fof%3Dvendor" in sent
    shown = str(caught.value) + caplog.text
    assert "GET" in caplog.text
    assert all(key not in shown for key in (*case.keys.values(), "s3cret%2BKey"))
    assert "no access for ***" in shown


def test_without_its_key_a_source_is_not_opened(server: Vendor, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in case.keys:
        monkeypatch.delenv(variable)
        with pytest.raises(UsageError, match=f"set {variable} in the environment: --source {case.name}"):
            opened(case)
        monkeypatch.setenv(variable, "two words")
        with pytest.raises(UsageError, match=f"{variable} is not a key") as caught:
            opened(case)
        assert "two words" not in str(caught.value)
        monkeypatch.setenv(variable, KEY)


def test_what_is_requested(server: Vendor, case: Case, con: duckdb.DuckDBPyConnection) -> None:
    """Prices as traded, and the days of the window: each vendor has a default that would be wrong."""
    case.script(server, {"AAPL": GOOD})
    answered(case, con)
    requests = dict(server.requests)
    assert (
        requests[case.path].items()
        >= {
            "alpaca": {
                "adjustment": "raw",
                "start": "2024-03-11T00:00:00Z",
                "end": "2024-03-15T05:00:00Z",
                "feed": "sip",
            },
            "tiingo": {"startDate": "2024-03-11", "endDate": "2024-03-15"},
            "eodhd": {"from": "2024-03-11", "to": "2024-03-15", "period": "d", "fmt": "json"},
            "stooq": {"s": "aapl.us", "d1": "20240311", "d2": "20240315", "i": "d", "o": "1111111"},
        }[case.name].items()
    )


@pytest.mark.parametrize("case", CASES[:1], indirect=True, ids=["alpaca"])
def test_alpaca_has_many_symbols_per_request_and_pages(
    server: Vendor, case: Case, con: duckdb.DuckDBPyConnection
) -> None:
    case.script(server, {"AAPL": GOOD, "MSFT": GOOD, "BAD$": GOOD})
    good = server.routes[case.path]
    assert callable(good)

    def paged(params: dict[str, str]) -> Reply:
        if "BAD$" in params["symbols"]:
            return 400, {}, '{"message": "invalid symbol: BAD$"}'
        page = json.loads(good(params)[2])["bars"]
        first = {symbol: bars[:3] if "page_token" not in params else bars[3:] for symbol, bars in page.items()}
        return body({"bars": first, "next_page_token": None if "page_token" in params else "QUFQTHxE"})

    server.routes[case.path] = paged
    windows = [Window(symbol, *WEEK[:: len(WEEK) - 1]) for symbol in ("AAPL", "MSFT")]
    (together,) = opened(case).fetch(con, windows)
    assert len(rows(together)) == 10
    assert len(server.requests) == 3  # two pages, and the actions
    alone = list(opened(case).fetch(con, [*windows, Window("BAD$", *WEEK[:: len(WEEK) - 1])]))
    assert [answer.symbols for answer in alone] == [("AAPL",), ("MSFT",), ()]
    assert "invalid symbol: BAD$" in alone[-1].failed["BAD$"]
    server.routes[case.path] = [body({"bars": {}, "next_page_token": "same"})]
    (circle,) = opened(case).fetch(con, windows[:1])
    assert "back to an earlier page" in circle.failed["AAPL"]


@pytest.mark.parametrize("case", CASES[2:3], indirect=True, ids=["eodhd"])
def test_eodhd_has_asx_its_own_list_and_remarks(server: Vendor, case: Case, con: duckdb.DuckDBPyConnection) -> None:
    limited = {"warning": "Data is limited by one year as you have free subscription"}
    row = {"date": "2024-03-11", "open": 43, "high": 44, "low": 42, "close": 43.5, "adjusted_close": 40, "volume": 7}
    server.routes["/eod/BHP.AU"] = [body([limited, row])]
    dividends = [
        {"date": "2024-03-11", "value": 0.72, "unadjustedValue": 0.72, "currency": "USD"},
        {"date": "2024-03-11", "value": 0.5},
    ]
    server.routes["/div/BHP.AU"] = [body(dividends)]
    server.routes["/splits/BHP.AU"] = [body([{"date": "2024-03-11", "split": "weird"}])]
    source = opened(case, "ASX")
    (answer,) = source.fetch(con, [Window("BHP", MONDAY, MONDAY)])
    assert [(one["close"], one["dividend"], one["split_ratio"]) for one in rows(answer)] == [(43.5, 0.0, 1.0)]
    assert {(column, reason) for _, _, column, _, reason in cells(answer)} == {
        ("dividend", "not in AUD, the currency of the prices"),
        ("dividend", "no number"),
        ("split_ratio", "no number"),
    }
    assert f"eodhd: {limited['warning']}" in source.notes()
    listed = [{"Code": code, "Name": code.title(), "Type": "Common Stock"} for code in ("CBA", "BHP", "NAB-PH")]
    server.routes["/exchange-symbol-list/AU"] = [body([*listed, {"Code": "AUDUSD", "Type": "Currency"}]), body([])]
    listings = source.listings()
    assert listings is not None
    assert [company.symbol for company in listings.companies()] == ["BHP", "CBA", "NAB.PH"]
    with pytest.raises(ListingsRefused, match="eodhd's list of symbols is empty"):
        listings.companies()


@pytest.mark.parametrize("case", CASES[3:], indirect=True, ids=["stooq"])
def test_stooq_without_a_valid_key_says_where_to_get_one(
    server: Vendor, case: Case, con: duckdb.DuckDBPyConnection
) -> None:
    page = "Get your apikey:\n\n1. Open https://stooq.com/q/d/?s=aapl.us&get_apikey\n2. Enter the captcha code."
    server.routes[case.path] = [(200, {}, page)]
    with pytest.raises(SourceError, match="stooq refused the key: https"):
        answered(case, con)
