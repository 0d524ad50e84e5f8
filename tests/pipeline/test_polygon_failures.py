"""What Polygon's refusals, faults and limits become: retries, one failed symbol, or the end of the run."""

from __future__ import annotations

import logging
import time
from email.utils import formatdate
from pathlib import Path

import duckdb
import pytest

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import RateLimited, SourceError, UsageError
from stockstream.pipeline.polygon_api import PolygonApi
from stockstream.pipeline.sources.base import Window
from stockstream.pipeline.sources.polygon import PolygonSource
from tests.polygon_vendor import (
    FRIDAY,
    GROUPED,
    KEY,
    LONG,
    MONDAY,
    Reply,
    Vendor,
    bar,
    market,
    ok,
    refuse,
    rows,
    source,
    week,
)


def test_a_next_url_that_leads_in_a_circle_fails(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    vendor.aggregates("AAPL", ok([], next_url=f"{vendor.url}/round?cursor=1"))
    vendor.routes["/round"] = [ok([], next_url=f"{vendor.url}/round?cursor=1")]
    (answer,) = source(vendor).fetch(con, [LONG])
    assert "back to an earlier page" in answer.failed["AAPL"]


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


def test_a_failing_day_fails_all_windows_served_by_days(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    market(vendor, "A", "B", "C")
    vendor.routes[f"{GROUPED}/{FRIDAY}"] = [refuse(502, "Bad gateway")]
    (answer,) = source(vendor).fetch(con, week("A", "B", "C"))
    assert answer.symbols == ()
    assert answer.bars is None
    assert set(answer.failed) == {"A", "B", "C"}
    assert "Bad gateway" in answer.failed["A"]
    assert len(vendor.paths(f"{GROUPED}/{FRIDAY}")) == 3


@pytest.mark.parametrize("transient", [refuse(429, "Too many", Retry_After="0"), refuse(503, "Try later")])
def test_a_transient_refusal_is_retried(vendor: Vendor, con: duckdb.DuckDBPyConnection, transient: Reply) -> None:
    vendor.aggregates("AAPL", transient, ok([bar(MONDAY)]))
    (answer,) = source(vendor).fetch(con, [LONG])
    assert len(rows(answer)) == 1
    assert len(vendor.paths("/v2/aggs/ticker/AAPL")) == 2


def test_retry_after_is_honoured_in_seconds_and_as_a_date(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    later = formatdate(time.time() + 100, usegmt=True)
    vendor.aggregates("AAPL", refuse(429, "", Retry_After="1"), refuse(429, "", Retry_After=later), ok([bar(MONDAY)]))
    polygon = PolygonSource(PolygonApi(KEY, vendor.url, 100_000, attempts=3, wait=0, wait_max=0.3))
    began = time.monotonic()
    (answer,) = polygon.fetch(con, [LONG])
    assert 0.6 <= time.monotonic() - began < 2  # twice the maximum wait
    assert answer.symbols == ("AAPL",)


def test_a_permanent_429_raises_rate_limited_in_bounded_time(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    vendor.aggregates("AAPL", refuse(429, "You've exceeded the maximum requests per minute", Retry_After="3600"))
    began = time.monotonic()
    with pytest.raises(RateLimited, match="exceeded the maximum"):
        list(source(vendor).fetch(con, [LONG]))
    assert time.monotonic() - began < 2
    assert len(vendor.requests) == 3
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
    refusal = refuse(status, f"Unknown API Key {KEY}\nplease upgrade")  # the vendor may repeat it
    vendor.reply = lambda path, params: refusal  # type: ignore[method-assign]
    with pytest.raises(SourceError, match="refused the key, or its plan does not include") as caught:
        list(source(vendor).fetch(con, windows))
    assert len(vendor.requests) == 1
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
    market(vendor, "A", "B", "C")
    polygon = source(vendor)
    list(polygon.fetch(con, [LONG]))
    list(polygon.fetch(con, week("A", "B", "C")))
    assert len(vendor.requests) == 4 + 7
    assert {headers.get("Authorization") for headers in vendor.headers} == {f"Bearer {KEY}"}
    assert KEY not in "".join(vendor.targets) + caplog.text


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_a_usage_error_without_the_key(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        PolygonApi(key, "http://127.0.0.1:9", 5, 1, 0, 0)
    assert not key or key not in str(caught.value)


def test_the_rate_limit_is_kept(vendor: Vendor, con: duckdb.DuckDBPyConnection) -> None:
    polygon = source(vendor, per_minute=2, attempts=1)
    polygon._api._session.max_delay = 0.2  # give up instead of waiting out the minute
    (answer,) = polygon.fetch(con, [LONG])
    assert len(vendor.requests) == 2
    assert list(answer.failed) == ["AAPL"]


def test_a_client_is_made_from_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYGON_API_KEY", raising=False)
    with pytest.raises(UsageError, match=r"set POLYGON_API_KEY in the environment"):
        PolygonApi.from_settings(Settings.read())
    monkeypatch.setenv("POLYGON_API_KEY", f"{KEY}\n")
    assert PolygonApi.from_settings(Settings.read()).pages
