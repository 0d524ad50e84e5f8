"""The Polygon source and directory, against a server on the loopback that answers in the vendor's shapes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import duckdb
import pytest

from stockstream.pipeline.errors import ListingsRefused, RateLimited, SourceError, UsageError
from stockstream.pipeline.settings import Settings
from stockstream.pipeline.sources.base import Answer, Window
from stockstream.pipeline.sources.polygon import PolygonSource

KEY = "s3cret-Polygon-k3y"
MOCKS = Path(__file__).parents[3] / "shared" / "data" / "polygon" / "client-python"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks"
NEW_YORK = ZoneInfo("America/New_York")
MONDAY = date(2024, 3, 11)  # the first session after the clocks went forward
FRIDAY = MONDAY + timedelta(4)

Reply = tuple[int, dict[str, str], str]
Route = Callable[[dict[str, str]], Reply]


def ok(results: list[Any] | None = None, **more: Any) -> Reply:
    body: dict[str, Any] = {"status": "OK", "request_id": "6a7e466379af0a71039d60cc78e72282", **more}
    return 200, {}, json.dumps(body if results is None else body | {"results": results})


def refuse(status: int, words: str, **headers: str) -> Reply:
    body = json.dumps({"status": "ERROR", "request_id": "1", "error": words})
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, body


def millis(day: date, hour: int) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=NEW_YORK).timestamp() * 1000)


def bar(day: date, close: float = 10.0, ticker: str | None = None, volume: float = 1000) -> dict[str, Any]:
    prices = {"v": volume, "vw": close, "o": close - 1, "c": close, "h": close + 1, "l": close - 2, "n": 7}
    if ticker is None:
        return {**prices, "t": millis(day, 0)}
    return {"T": ticker, **prices, "t": millis(day, 16)}


class Vendor:
    """Routes by path; what no route knows is an empty good answer, as the vendor gives for a holiday."""

    def __init__(self) -> None:
        self.routes: dict[str, Route | list[Reply]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.raw: list[str] = []
        self.signed: list[str | None] = []
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                vendor.raw.append(self.path)
                vendor.signed.append(self.headers.get("Authorization"))
                path, query = urlsplit(self.path).path, urlsplit(self.path).query
                params = {name: values[0] for name, values in parse_qs(query).items()}
                vendor.asked.append((path, params))
                status, headers, body = vendor.reply(path, params)
                data = body.encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def reply(self, path: str, params: dict[str, str]) -> Reply:
        route = self.routes.get(path)
        if route is None:
            return ok(queryCount=0, resultsCount=0)
        if callable(route):
            return route(params)
        return route.pop(0) if len(route) > 1 else route[0]  # the last reply for ever

    def aggregates(self, symbol: str, *replies: Reply) -> None:
        """Route the symbol's bars, whatever the range; the path holds it, so it is told by prefix."""
        self.routes[f"/v2/aggs/ticker/{symbol}/range/1/day/{LONG.start}/{LONG.end}"] = list(replies)

    def paths(self, prefix: str) -> list[str]:
        return [path for path, _ in self.asked if path.startswith(prefix)]


LONG = Window("AAPL", date(2020, 1, 2), date(2024, 12, 31))
"""One symbol and many days: dearer by the market's days."""


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    vendor = Vendor()
    yield vendor
    vendor.server.shutdown()
    vendor.server.server_close()


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def source(vendor: Vendor, per_minute: int = 100_000, attempts: int = 3, wait: float = 0.01) -> PolygonSource:
    return PolygonSource(KEY, vendor.url, per_minute, attempts, wait, wait_max=0.05)


def rows(answer: Answer) -> list[dict[str, Any]]:
    assert answer.bars is not None
    names = answer.bars.columns
    return sorted(
        (dict(zip(names, row, strict=True)) for row in answer.bars.fetchall()), key=lambda r: (r["symbol"], r["date"])
    )


def week(*symbols: str) -> list[Window]:
    return [Window(symbol, MONDAY, FRIDAY) for symbol in symbols]


def market(vendor: Vendor, *symbols: str) -> None:
    """Route five days of the whole market."""
    for offset in range(5):
        day = MONDAY + timedelta(offset)
        vendor.routes[f"{GROUPED}/{day}"] = [ok([bar(day, 10.0 + offset, symbol) for symbol in symbols])]


def test_many_symbols_and_few_days_ask_for_the_markets_days(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    symbols = [f"S{n:02}" for n in range(20)]
    market(vendor, *symbols, "OTHER")
    (answer,) = source(vendor).fetch(con, [Window(s, MONDAY - timedelta(2), FRIDAY) for s in symbols])
    assert sorted(answer.symbols) == symbols
    assert answer.failed == {}
    assert len(vendor.paths(GROUPED)) == 5  # no call for the weekend
    assert vendor.paths("/v2/aggs/ticker") == []
    assert all(params["adjusted"] == "false" for path, params in vendor.asked if path.startswith(GROUPED))
    got = rows(answer)
    assert {row["symbol"] for row in got} == set(symbols)
    assert len(got) == 100
    assert got[1] == {
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


def test_one_symbol_and_many_days_ask_for_its_aggregates(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    vendor.aggregates("AAPL", ok([bar(MONDAY, volume=6.3896155e07), bar(FRIDAY, 12.5)], ticker="AAPL"))
    (answer,) = source(vendor).fetch(con, [LONG])
    assert answer.symbols == ("AAPL",)
    assert [(row["date"], row["close"], row["volume"]) for row in rows(answer)] == [
        (MONDAY, 10.0, 63896155),
        (FRIDAY, 12.5, 1000),
    ]
    assert vendor.paths(GROUPED) == []
    assert vendor.asked[0][1] == {"adjusted": "false", "sort": "asc", "limit": "50000"}
    assert {params["ticker"] for path, params in vendor.asked if path.startswith("/v3")} == {"AAPL"}


def test_a_long_history_among_short_windows_is_asked_for_alone(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    symbols = [f"S{n}" for n in range(9)]
    market(vendor, *symbols)
    vendor.aggregates("AAPL", ok([bar(MONDAY)]))
    first, second = source(vendor).fetch(con, [LONG, *week(*symbols)])
    assert sorted(first.symbols) == symbols
    assert second.symbols == ("AAPL",)
    assert len(vendor.asked) == (5 + 2) + 3


def test_volume_in_scientific_notation_and_values_of_no_use(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
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
    assert "/v2/aggs/ticker/AAPL/range/1/day/1/2?cursor=bGltaXQ9Mg" in vendor.raw


def test_a_next_url_that_leads_in_a_circle_fails(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    vendor.aggregates("AAPL", ok([], next_url=f"{vendor.url}/round?cursor=1"))
    vendor.routes["/round"] = [ok([], next_url=f"{vendor.url}/round?cursor=1")]
    (answer,) = source(vendor).fetch(con, [LONG])
    assert "given before" in answer.failed["AAPL"]


def dividend(ticker: str, day: date, cash: float) -> dict[str, Any]:
    return {"cash_amount": cash, "dividend_type": "CD", "ex_dividend_date": str(day), "frequency": 4, "ticker": ticker}


def split(ticker: str, day: date, old: float, new: float) -> dict[str, Any]:
    return {"execution_date": str(day), "split_from": old, "split_to": new, "ticker": ticker}


@pytest.mark.parametrize("symbols", [["A", "B", "C"], ["A"]], ids=["by day", "by ticker"])
def test_dividends_and_splits_stand_beside_the_bars(
    vendor: Vendor, con: duckdb.DuckDBPyConnection, symbols: list[str]
) -> None:
    windows = week(*symbols)
    if len(symbols) > 1:
        market(vendor, *symbols)
    else:
        bars = [bar(MONDAY + timedelta(n), 10.0 + n) for n in range(5)]
        vendor.routes[f"/v2/aggs/ticker/A/range/1/day/{MONDAY}/{FRIDAY}"] = [ok(bars)]
    tuesday, sunday = MONDAY + timedelta(1), MONDAY - timedelta(1)
    vendor.routes["/v3/reference/dividends"] = [
        ok([dividend("A", tuesday, 0.25), dividend("A", tuesday, 1.0), dividend("ZZZ", tuesday, 9.0)])
    ]
    vendor.routes["/v3/reference/splits"] = [
        ok([split("A", FRIDAY, 1, 20), split("A", sunday, 3, 1), split("ZZZ", FRIDAY, 1, 2)])
    ]
    (answer,) = source(vendor).fetch(con, windows)
    got = [row for row in rows(answer) if row["symbol"] == "A"]
    assert [(row["date"], row["dividend"], row["split_ratio"]) for row in got] == [
        (sunday, 0, 1 / 3),  # a day without a bar: the step keeps it apart
        (MONDAY, 0, 1),
        (tuesday, 1.25, 1),
        (tuesday + timedelta(1), 0, 1),
        (tuesday + timedelta(2), 0, 1),
        (FRIDAY, 0, 20),
    ]
    assert {got[0][name] for name in ("open", "high", "low", "close", "volume")} == {None}
    assert {row["symbol"] for row in rows(answer)} == set(symbols)
    asked = dict(vendor.asked)
    assert (
        asked["/v3/reference/splits"].items()
        >= {
            "execution_date.gte": str(MONDAY),
            "execution_date.lte": str(FRIDAY),
            "limit": "1000",
        }.items()
    )
    assert "ex_dividend_date.gte" in asked["/v3/reference/dividends"]


def test_a_second_fetch_and_other_batches_ask_nothing_again(vendor: Vendor) -> None:
    symbols = [f"S{n:02}" for n in range(24)]
    market(vendor, *symbols)
    polygon = source(vendor)

    def batch(number: int) -> list[dict[str, Any]]:
        with duckdb.connect() as con:
            (answer,) = polygon.fetch(con, week(*symbols[number * 6 : number * 6 + 6]))
            return rows(answer)

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(batch, range(4)))
    assert [len(batch) for batch in got] == [30] * 4
    assert len(vendor.asked) == 5 + 2
    assert batch(2) == got[2]
    assert len(vendor.asked) == 5 + 2
    with duckdb.connect() as con:  # what is held already costs nothing, for one symbol as well
        assert len(rows(next(polygon.fetch(con, week("S00"))))) == 5
    assert len(vendor.asked) == 5 + 2


def test_relations_outlive_what_the_connection_does_next(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
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


def test_bars_of_another_day_than_asked_for_are_dropped(
    vendor: Vendor, con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    market(vendor, "A", "B", "C")
    vendor.routes[f"{GROUPED}/{MONDAY}"] = [ok([bar(date(2020, 10, 14), ticker=s) for s in "ABC"])]
    (answer,) = source(vendor).fetch(con, week("A", "B", "C"))
    assert {row["date"] for row in rows(answer)} == {MONDAY + timedelta(n) for n in range(1, 5)}
    (record,) = [record for record in caplog.records if record.name == "stockstream.pipeline.sources.polygon"]
    assert record.levelno == logging.WARNING
    assert "3 bars dropped" in record.message
    assert str(MONDAY) in record.message


@pytest.mark.parametrize(
    "reply",
    [
        (200, {}, '{"status":"OK","results":[{"t":'),
        (200, {}, ""),
        (200, {}, "<html>Bad gateway</html>"),
        (200, {}, "[]"),
        (200, {}, '{"status":"OK","results":{"t":1}}'),
        (200, {}, "[" * 100_000),
        (200, {}, '{"status":"OK","results":[{"t":"\\ud800"}]}'),
        (200, {}, '{"status":"ERROR","error":"Something went wrong"}'),
        (404, {}, '{"status":"NOT_FOUND","message":"Data not found."}'),
        (404, {}, "[]"),
        (500, {}, "oops"),
    ],
)
def test_one_symbols_failure_does_not_stop_the_others(
    vendor: Vendor, con: duckdb.DuckDBPyConnection, reply: Reply
) -> None:
    for symbol in ("A", "BRK.B"):
        path = f"/v2/aggs/ticker/{symbol}/range/1/day/{LONG.start}/{LONG.end}"
        vendor.routes[path] = [ok([bar(MONDAY)])]
    vendor.routes[f"/v2/aggs/ticker/BAD/range/1/day/{LONG.start}/{LONG.end}"] = [reply]
    answers = list(source(vendor).fetch(con, [Window(s, LONG.start, LONG.end) for s in ("A", "BAD", "BRK.B")]))
    assert [answer.symbols for answer in answers] == [("A",), (), ("BRK.B",)]
    assert list(answers[1].failed) == ["BAD"]
    assert "\n" not in answers[1].failed["BAD"]
    assert len(answers[1].failed["BAD"]) < 350
    assert con.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)


def test_a_failing_day_fails_all_windows_had_by_day(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    market(vendor, "A", "B", "C")
    vendor.routes[f"{GROUPED}/{FRIDAY}"] = [refuse(502, "Bad gateway")]
    (answer,) = source(vendor).fetch(con, week("A", "B", "C"))
    assert answer.symbols == ()
    assert answer.bars is None
    assert set(answer.failed) == {"A", "B", "C"}
    assert "Bad gateway" in answer.failed["A"]
    assert len(vendor.paths(f"{GROUPED}/{FRIDAY}")) == 3


@pytest.mark.parametrize("passing", [refuse(429, "Too many", Retry_After="0"), refuse(503, "Try later")])
def test_a_passing_refusal_is_retried(vendor: Vendor, con: duckdb.DuckDBPyConnection, passing: Reply) -> None:
    vendor.aggregates("AAPL", passing, ok([bar(MONDAY)]))
    (answer,) = source(vendor).fetch(con, [LONG])
    assert len(rows(answer)) == 1
    assert len(vendor.paths("/v2/aggs/ticker/AAPL")) == 2


def test_retry_after_is_honoured_in_seconds_and_as_a_date(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    later = formatdate(time.time() + 100, usegmt=True)
    vendor.aggregates("AAPL", refuse(429, "", Retry_After="1"), refuse(429, "", Retry_After=later), ok([bar(MONDAY)]))
    polygon = PolygonSource(KEY, vendor.url, 100_000, attempts=3, wait=0, wait_max=0.3)
    began = time.monotonic()
    (answer,) = polygon.fetch(con, [LONG])
    assert 0.6 <= time.monotonic() - began < 2  # twice the most that is waited
    assert answer.symbols == ("AAPL",)


def test_a_lasting_429_ends_as_rate_limited_in_bounded_time(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    vendor.aggregates("AAPL", refuse(429, "You've exceeded the maximum requests per minute", Retry_After="3600"))
    began = time.monotonic()
    with pytest.raises(RateLimited, match="exceeded the maximum"):
        list(source(vendor).fetch(con, [LONG]))
    assert time.monotonic() - began < 2
    assert len(vendor.asked) == 3
    assert con.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)


def test_no_connection_is_that_symbols_failure(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    vendor.server.shutdown()
    vendor.server.server_close()
    (answer,) = source(vendor).fetch(con, [LONG])
    assert "no answer" in answer.failed["AAPL"]


@pytest.mark.parametrize("windows", [[LONG], week("A", "B", "C", "D")], ids=["by ticker", "by day"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_one_clear_line(
    vendor: Vendor,
    con: duckdb.DuckDBPyConnection,
    caplog: pytest.LogCaptureFixture,
    windows: list[Window],
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    refusal = refuse(status, f"Unknown API Key {KEY}\nplease upgrade")  # should the vendor repeat it
    vendor.reply = lambda path, params: refusal  # type: ignore[method-assign]
    with pytest.raises(SourceError, match="refused the key, or its plan does not include") as caught:
        list(source(vendor).fetch(con, windows))
    assert len(vendor.asked) == 1
    assert "Unknown API Key ***" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value) + caplog.text


def test_the_key_is_in_the_header_and_nowhere_else(
    vendor: Vendor,
    con: duckdb.DuckDBPyConnection,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    vendor.aggregates("AAPL", ok([bar(MONDAY)], next_url="https://elsewhere.example/next?cursor=1"))
    polygon = source(vendor)
    list(polygon.fetch(con, [LONG]))
    list(polygon.fetch(con, week("A", "B", "C")))
    assert len(vendor.asked) == 4 + 7
    assert set(vendor.signed) == {f"Bearer {KEY}"}
    assert KEY not in "".join(vendor.raw) + caplog.text


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_a_usage_error_without_the_key(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        PolygonSource(key, "http://127.0.0.1:9", 5, 1, 0, 0)
    assert not key or key not in str(caught.value)


def test_the_rate_is_kept(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    polygon = source(vendor, per_minute=2, attempts=1)
    polygon._api._session.max_delay = 0.2  # give up instead of waiting out the minute
    (answer,) = polygon.fetch(con, [LONG])
    assert len(vendor.asked) == 2
    assert list(answer.failed) == ["AAPL"]


def test_settings_make_the_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYGON_API_KEY", raising=False)
    with pytest.raises(UsageError, match=r"set POLYGON_API_KEY \(environment or \.env\)"):
        PolygonSource.from_settings(Settings())  # type: ignore[call-arg]
    monkeypatch.setenv("POLYGON_API_KEY", f"{KEY}\n")
    assert PolygonSource.from_settings(Settings()).name == "polygon"  # type: ignore[call-arg]


def ticker(symbol: str, **more: Any) -> dict[str, Any]:
    return {"ticker": symbol, "name": f"{symbol} Inc.", "market": "stocks", "locale": "us", "active": True, **more}


def test_the_directory_is_paged_sorted_and_without_repeats(vendor: Vendor) -> None:
    vendor.routes["/v3/reference/tickers"] = lambda params: (
        ok([ticker("A"), ticker("BRK.B", name=None)])
        if "cursor" in params
        else ok([ticker("ZM"), ticker("A")], next_url="https://api.polygon.io/v3/reference/tickers?cursor=x")
    )
    directory = source(vendor).listings()
    listings = directory.companies()
    assert [(listing.symbol, listing.name) for listing in listings] == [
        ("A", "A Inc."),
        ("BRK.B", ""),
        ("ZM", "ZM Inc."),
    ]
    assert {(listing.sector, listing.market_cap) for listing in listings} == {("", None)}
    assert directory.name == "polygon"
    assert vendor.asked[0][1] == {"market": "stocks", "active": "true", "limit": "1000"}


@pytest.mark.parametrize(
    "reply",
    [ok([]), ok(), ok([{"name": "none"}]), ok(["A"]), (200, {}, "{"), refuse(401, "Unknown key"), refuse(429, "wait")],
)
def test_no_believable_directory_is_refused(vendor: Vendor, reply: Reply) -> None:
    vendor.routes["/v3/reference/tickers"] = [reply]
    with pytest.raises(ListingsRefused, match="polygon"):
        source(vendor).listings().companies()


@pytest.mark.skipif(not MOCKS.is_dir(), reason="the vendor's recorded mocks are not beside the repository")
class TestVendorsMocks:
    def recorded(self, name: str) -> list[Reply]:
        return [(200, {}, (MOCKS / name).read_text())]

    def test_aggregates(self, vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
        window = Window("AAPL", date(2005, 4, 1), date(2005, 4, 4))
        path = "/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04"
        vendor.routes[path] = self.recorded(f"{path[1:]}.json")
        vendor.routes["/v3/reference/dividends"] = self.recorded("v3/reference/dividends.json")
        vendor.routes["/v3/reference/splits"] = self.recorded("v3/reference/splits.json")
        (answer,) = source(vendor).fetch(con, [window])
        assert [(row["date"], row["open"], row["close"], row["volume"]) for row in rows(answer)] == [
            (date(2005, 4, 1), 1.5032, 1.4604, 642646396),
            (date(2005, 4, 4), 1.4639, 1.4675, 578172308),
        ]

    def test_grouped_whose_date_contradicts_its_name(
        self, vendor: Vendor, con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
    ) -> None:
        recorded = self.recorded("v2/aggs/grouped/locale/us/market/stocks/2005-04-04&adjusted=true.json")
        wrong, right = date(2005, 4, 4), date(2020, 10, 14)
        for day in (wrong, right):
            vendor.routes[f"{GROUPED}/{day}"] = recorded
        polygon = source(vendor)
        windows = [[Window(s, day, day) for s in ("GIK", "OTHER")] for day in (wrong, right)]
        (dropped,), (kept,) = [list(polygon.fetch(con, asked)) for asked in windows]
        assert rows(dropped) == []
        assert "1 bars dropped" in caplog.text
        assert [(row["symbol"], row["date"], row["volume"]) for row in rows(kept)] == [("GIK", right, 895345)]

    def test_splits_and_dividends_without_bars(self, vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
        vendor.routes["/v3/reference/dividends"] = self.recorded("v3/reference/dividends.json")
        vendor.routes["/v3/reference/splits"] = self.recorded("v3/reference/splits.json")
        day = date(2022, 7, 18)
        symbols = ("GOOG", "GOOGL", "CIG.C", "CSSEN")
        (answer,) = source(vendor).fetch(con, [Window(symbol, day, day) for symbol in symbols])
        got = {(row["symbol"], row["date"]): (row["dividend"], row["split_ratio"]) for row in rows(answer)}
        assert got["GOOG", day] == got["GOOGL", day] == (0, 20)
        assert got["CIG.C", date(2022, 5, 2)] == (0, 4 / 3)
        assert got["CSSEN", date(2023, 9, 14)] == (0.59375, 1)

    def test_directory_with_its_cursor_page(self, vendor: Vendor) -> None:
        (following,) = (path.name for path in (MOCKS / "v3/reference").glob("tickers&cursor=*.json"))
        cursor = following.removesuffix(".json").partition("cursor=")[2]
        vendor.routes["/v3/reference/tickers"] = lambda params: self.recorded(
            f"v3/reference/{following if params.get('cursor') == cursor else 'tickers.json'}"
        )[0]
        listings = source(vendor).listings().companies()
        assert [listing.symbol for listing in listings] == ["A", "AA", "AAA", "AAAU"]
        assert listings[0].name == "Agilent Technologies Inc."
