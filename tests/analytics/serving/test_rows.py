"""The rows that the HTTP interface answers with are those of the lake, in each format, on pages without a gap."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import duckdb
import polars as pl
import pytest
import requests
from polars.testing import assert_frame_equal

from stockstream import analytics
from stockstream.analytics.serving.paging import Place
from stockstream.analytics.serving.queries import Select
from tests.analytics.serving.server import Server

DAILY = "symbol, date, open, high, low, close, volume"
LONGER = f"{DAILY}, first_date, ends_on, bars, is_open"
READERS = {
    "text/csv": lambda body: pl.read_csv(body, try_parse_dates=True),
    "application/vnd.apache.arrow.stream": pl.read_ipc_stream,
    "application/vnd.apache.parquet": pl.read_parquet,
}


@pytest.fixture(scope="module")
def con(lake: str) -> Any:
    with analytics.connect(lake) as con:
        yield con


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return the rows of a JSON answer as a frame."""
    read = pl.DataFrame(rows, infer_schema_length=None)
    days = [name for name, kind in read.schema.items() if kind == pl.String and (name == "date" or "_date" in name)]
    return read.with_columns(pl.col([*days, *({"ends_on"} & {*read.columns})]).str.to_date())


def all_pages(server: Server, path: str, name: str) -> list[dict[str, Any]]:
    """Return the rows of all pages."""
    rows, token = [], ""
    while token is not None:
        page = server.json(f"{path}{'&page_token=' if token else ''}{token}")
        rows += page[name]
        token = page["next_page_token"]
    return rows


@pytest.mark.parametrize("timeframe", ["1d", "3d", "weekly"])
@pytest.mark.parametrize("adjustment", ["raw", "split", "all"])
def test_bars_are_those_of_the_lake(server: Server, con: Any, timeframe: str, adjustment: str) -> None:
    path = f"/v1/bars?symbols=IBM,aapl&timeframe={timeframe}&adjustment={adjustment}&limit=10000"
    view = {"raw": "bars_as_traded", "split": "bars_split_adjusted", "all": "bars_adjusted"}[adjustment]
    src = view if timeframe == "1d" else f"resample('{view}', '{timeframe}')"
    if adjustment == "raw" and timeframe != "1d":
        answer = server.get(path)
        assert answer.status_code == 422
        assert "split" in answer.json()["detail"]
        return
    expected = con.sql(
        f"SELECT {DAILY if timeframe == '1d' else LONGER} FROM {src} WHERE symbol IN ('AAPL', 'IBM') ORDER BY ALL"
    ).pl()
    got = frame(all_pages(server, path, "bars")).select(expected.columns)
    assert len(expected) > 1000
    # DuckDB multiplies the factors of dividends in an order of its own.
    assert_frame_equal(got, expected, rel_tol=1e-12, abs_tol=0)


@pytest.mark.parametrize("media", READERS)
def test_every_format_has_the_same_rows(server: Server, media: str) -> None:
    path = "/v1/bars/IBM?start=2012-01-01&end=2012-12-31"
    answer = server.get(path, media)
    assert answer.headers["content-type"].split(";")[0] == media
    assert answer.headers["vary"] == "Accept"
    expected = frame(server.json(path)["bars"])
    assert len(expected) == 250
    assert READERS[media](io.BytesIO(answer.content)).equals(expected)


def test_what_a_header_accept_prefers(server: Server) -> None:
    def kind(accept: str) -> str:
        answer = server.get("/v1/bars/IBM?limit=1", accept)
        return answer.headers["content-type"].split(";")[0] if answer.ok else str(answer.status_code)

    assert kind("text/html, text/csv;q=0.5, application/json;q=0.1") == "text/csv"
    assert kind("text/*") == "text/csv"
    assert kind("*/*;q=0.2, application/vnd.apache.parquet;q=0.1") == "application/json"
    assert kind("text/html") == "406"
    assert kind("application/json;q=0, text/html") == "406"


@pytest.mark.parametrize("limit", [1000, 1024])
def test_pages_have_every_row_once(server: Server, con: Any, limit: int) -> None:
    path = f"/v1/bars?start=2012-01-01&limit={limit}"
    rows = all_pages(server, path, "bars")
    expected = con.sql("SELECT symbol, date FROM bars WHERE date >= '2012-01-01' ORDER BY ALL").fetchall()
    assert [(row["symbol"], date.fromisoformat(row["date"])) for row in rows] == expected
    csv, first = server.get(path, "text/csv"), server.json(path)
    assert len(csv.text.splitlines()) == limit + 1
    assert csv.headers["x-next-page-token"] == first["next_page_token"]


def test_a_page_that_ends_with_the_last_row_has_no_next_one(server: Server) -> None:
    path = "/v1/bars/IBM?start=2013-02-25&end=2013-03-01"
    assert server.json(f"{path}&limit=5")["next_page_token"] is None
    token = server.json(f"{path}&limit=4")["next_page_token"]
    last = server.json(f"{path}&limit=4&page_token={token}")
    assert [row["date"] for row in last["bars"]] == ["2013-03-01"]
    assert last["next_page_token"] is None


@pytest.mark.parametrize("adjustment", ["split", "all"])
def test_indicators_by_name_are_those_of_the_shell(server: Server, con: Any, adjustment: str) -> None:
    path = f"/v1/indicators/MSFT?names=rsi_14,bollinger_upper_20_2.5&adjustment={adjustment}&start=2012-12-01"
    got = server.json(path)["indicators"]
    src = {"split": "bars_split_adjusted", "all": "bars_adjusted"}[adjustment]
    expected = con.sql(
        f"SELECT r.date, r.rsi, b.bollinger_upper FROM rsi('{src}', 14) AS r JOIN bollinger('{src}', 20, 2.5) AS b "
        "ON b.symbol = r.symbol AND b.date = r.date WHERE r.symbol = 'MSFT' AND r.date >= '2012-12-01' ORDER BY r.date"
    ).fetchall()
    assert [row["date"] for row in got] == [str(day) for day, *_ in expected]
    for row, (_, rsi, upper) in zip(got, expected, strict=True):
        assert row["rsi_14"] == pytest.approx(rsi, rel=1e-9)
        assert row["bollinger_upper_20_2.5"] == pytest.approx(upper, rel=1e-9)


def test_stored_indicators_signals_actions_and_listings(server: Server, con: Any) -> None:
    stored = server.json("/v1/indicators/IBM?start=2013-03-01")["indicators"]
    [(sma_20,)] = con.sql("SELECT sma_20 FROM indicators WHERE symbol = 'IBM' AND date = '2013-03-01'").fetchall()
    assert stored[0]["sma_20"] == sma_20
    day = con.sql("SELECT max(date) FROM signals WHERE symbol = 'IBM'").fetchall()[0][0]
    got = server.json(f"/v1/signals?date={day}&symbols=IBM")["signals"]
    expected = con.sql(f"SELECT signal FROM signals WHERE symbol = 'IBM' AND date = '{day}' ORDER BY 1").fetchall()
    assert [(row["signal"],) for row in got] == expected
    actions = all_pages(server, "/v1/actions?symbols=AAPL&limit=2", "actions")
    assert len(actions) == con.sql("SELECT count(*) FROM actions WHERE symbol = 'AAPL'").fetchall()[0][0] > 2
    assert [row["symbol"] for row in server.json("/v1/symbols")["symbols"]] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert server.json("/v1/symbols/fb")["periods"][0]["name"] == "Facebook, Inc."


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/v1/bars/IBMM", 404, "did you mean IBM?"),
        ("/v1/bars?symbols=IBM,XX", 404, "XX"),
        ("/v1/bars?limi=3", 422, "limi: there is no such parameter; did you mean limit?"),
        ("/v1/bars?limit=3&limit=4", 422, "limit is there twice"),
        ("/v1/bars?limit=0", 422, "limit: "),
        ("/v1/bars?limit=10001", 422, "limit: "),
        ("/v1/bars?limit=1.5", 422, "limit: "),
        ("/v1/bars?start=2012-13-01", 422, "start: write YYYY-MM-DD"),
        ("/v1/bars?start=2012-02-01&end=2012-01-01", 422, "end is before start"),
        ("/v1/bars?timeframe=2d", 422, "timeframe: "),
        ("/v1/bars?symbols=", 422, "symbols"),
        ("/v1/bars?page_token=abc", 422, "page_token"),
        ("/v1/bars?page_token=WzEsMl0", 422, "page_token"),
        ("/v1/indicators/IBM?names=rsi(14)", 422, "names"),
        ("/v1/indicators/IBM?names=sma_20%20%3B%20DROP", 422, "names"),
        ("/v1/indicators/IBM?names=rssi", 422, "rsi"),
        ("/v1/symbols?limit=1", 422, "limit"),
        ("/v1/bar", 404, "did you mean /v1/bars"),
        ("/v1/@99/bars", 404, "generation 99"),
    ],
)
def test_what_is_wrong_is_named(server: Server, path: str, status: int, text: str) -> None:
    answer = server.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert text in answer.json()["detail"]
    assert answer.json()["status"] == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_get_is_allowed(server: Server, method: str) -> None:
    answer = requests.request(method, f"{server.address}/v1/bars", timeout=60)
    assert answer.status_code == 405
    assert answer.json()["status"] == 405


@pytest.mark.parametrize("start", ["2013-02-20", "2012-12-01"])
@pytest.mark.parametrize("symbols", ["", "&symbols=MSFT,IBM"])
def test_the_last_days_of_many_symbols(server: Server, con: Any, start: str, symbols: str) -> None:
    rows = all_pages(server, f"/v1/bars?start={start}&adjustment=raw&limit=7{symbols}", "bars")
    condition = "symbol IN ('IBM', 'MSFT')" if symbols else "true"
    expected = con.sql(f"SELECT {DAILY} FROM bars_as_traded WHERE date >= '{start}' AND {condition} ORDER BY ALL").pl()
    assert frame(rows).equals(expected)


@pytest.mark.parametrize("count", [1, 2, 20, 21, 500])
def test_any_number_of_symbols(count: int) -> None:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE t AS SELECT format('S{:03d}', s) AS symbol, DATE '2024-01-01' AS date FROM range(600) r (s)"
        )
        names = tuple(f"S{number:03d}" for number in range(0, count))
        place = Place("S000", date(2024, 1, 1), 1)
        for after, expected in ((None, names), (place, names[1:])):
            rows = (
                Select("symbol", "t").within(names, date(2023, 1, 1), date(2025, 1, 1), after).run(con, 1000).fetchall()
            )
            assert tuple(symbol for (symbol,) in rows) == expected
