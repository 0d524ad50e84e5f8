"""Faults and refusals of Yahoo through the real yfinance, against a replay on loopback."""

from __future__ import annotations

import logging
import time
from datetime import date

import pytest
from duckdb import DuckDBPyConnection

from stockstream.pipeline.errors import RateLimited
from stockstream.pipeline.sources.base import Answer
from tests.pipeline.yahoo_week import MONDAY, NEW_YORK, WEEK, only, rows, source, week
from tests.yahoo_replay import (
    BACK_SOON,
    DROPPED,
    EMPTY_BODY,
    MALFORMED,
    NO_DATA,
    NOT_FOUND,
    RATE_LIMITED,
    SERVER_ERROR,
    UNAUTHORIZED,
    Chart,
    Reply,
    YahooReplay,
    chart,
    refusal,
)

# pandas warns that yfinance calls it in a way that pandas 4 drops.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


TRANSIENT: list[tuple[Reply, str]] = [
    (SERVER_ERROR, "Yahoo answered HTTP 500"),
    (Reply(502, b"Bad Gateway"), "Yahoo answered HTTP 502"),
    (BACK_SOON, 'Yahoo says that it is down ("Will be right back")'),
    (MALFORMED, "Yahoo's answer is not JSON"),
    (EMPTY_BODY, "Yahoo's answer is empty"),
    (DROPPED, "the connection to Yahoo failed (ConnectionError)"),
    (Reply(delay=1.0), "Yahoo did not answer within 0.2 s"),
]
PERMANENT: list[tuple[Reply, str]] = [
    (NOT_FOUND, "Yahoo knows no symbol SICK.AX (404)"),
    (Reply(404, b"<html></html>"), "Yahoo answered HTTP 404"),
    (UNAUTHORIZED, "Yahoo answered HTTP 401: Invalid Crumb"),
    (Reply(403, b""), "Yahoo answered HTTP 403"),
    (refusal(400, "Bad Request", "Invalid input"), "Yahoo answered HTTP 400: Invalid input"),
    (Reply(200, b"null"), "Yahoo's answer holds no chart"),
    (Reply(200, b"[]"), "Yahoo's answer holds no chart"),
    (Reply(200, b'{"chart": null}'), "Yahoo's answer holds no chart"),
    (Reply(200, b'{"chart": {"result": null, "error": null}}'), "Yahoo's answer holds no chart"),
    (
        Reply(200, b'{"chart": {"result": [{"indicators": {"quote": [{"open": [1]}]}}], "error": null}}'),
        "Yahoo's answer is no chart that can be read (KeyError('instrumentType'))",
    ),
]


def named(faults: list[tuple[Reply, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("fault", "reason"), faults, ids=[reason for _, reason in faults])


@named(TRANSIENT + PERMANENT)
def test_a_fault_fails_its_symbol_with_the_reason_and_the_batch_goes_on(
    yahoo: YahooReplay, con: DuckDBPyConnection, fault: Reply, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    yahoo.script("SICK.AX", fault)
    yahoo.script("BHP.AX", chart("BHP.AX", WEEK))
    yahoo_source = source(yahoo)
    yahoo_source.timeout = 0.2
    started = time.monotonic()
    with caplog.at_level(logging.INFO):
        sick, well = yahoo_source.fetch(con, [week("SICK"), week()])
    assert time.monotonic() - started < 5
    assert sick == Answer((), None, {"SICK": reason})
    assert well.symbols == ("BHP",)
    assert len(rows(well.bars)) == 5
    assert not [r for r in caplog.records if r.name.startswith("yfinance")]


@named(TRANSIENT)
def test_a_transient_fault_is_retried_without_yfinances_cache(
    yahoo: YahooReplay, con: DuckDBPyConnection, fault: Reply, reason: str
) -> None:
    # curl itself also retries a dropped connection that it has reused.
    yahoo.script("BHP.AX", fault, *[DROPPED] * (fault is DROPPED), chart("BHP.AX", WEEK))
    yahoo_source = source(yahoo)
    yahoo_source.timeout = 0.2
    answer = only(yahoo_source.fetch(con, [week()]))
    assert answer.failed == {}
    assert len(rows(answer.bars)) == 5
    assert len(yahoo.charts()) >= 2


@named(TRANSIENT)
def test_a_transient_fault_is_retried_a_bounded_number_of_times(
    yahoo: YahooReplay, con: DuckDBPyConnection, fault: Reply, reason: str
) -> None:
    yahoo.script("BHP.AX", fault)
    yahoo_source = source(yahoo, attempts=2)
    yahoo_source.timeout = 0.2
    assert only(yahoo_source.fetch(con, [week()])).failed == {"BHP": reason}
    assert len(yahoo.charts()) in ((2, 3, 4) if fault is DROPPED else (2,))


@named(PERMANENT[:2])
def test_an_unknown_symbol_is_requested_once(
    yahoo: YahooReplay, con: DuckDBPyConnection, fault: Reply, reason: str
) -> None:
    yahoo.script("SICK.AX", fault)
    only(source(yahoo).fetch(con, [week("SICK")]))
    assert len(yahoo.charts()) == 1


@pytest.mark.parametrize("answer", [NO_DATA, chart("BHP.AX", [(date(2020, 1, 2), 1, 1, 1, 1, 1)])])
def test_a_known_symbol_without_rows_is_an_answer(
    yahoo: YahooReplay, con: DuckDBPyConnection, answer: Reply | Chart
) -> None:
    yahoo.script("BHP.AX", answer)
    assert only(source(yahoo).fetch(con, [week()])) == Answer(("BHP",))


def test_a_symbol_without_a_valid_request_fails_alone(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    answer = only(source(yahoo, "", NEW_YORK).fetch(con, [week("")]))
    assert answer.failed[""].startswith("yfinance failed before it sent a request: ")


def test_yesterdays_answer_is_not_repeated(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    """yfinance caches the answers to past ranges for the life of the process."""
    yahoo_source = source(yahoo)
    for close in (41.5, 42.5):
        yahoo.script("BHP.AX", chart("BHP.AX", [(MONDAY, 41.0, 43.0, 40.5, close, 1000)]))
        assert rows(only(yahoo_source.fetch(con, [week()])).bars, "close") == [(close,)]


def test_a_429_is_retried_after_a_wait(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    # yfinance repeats the request with another cookie: two refusals are one failed attempt.
    yahoo.script("BHP.AX", RATE_LIMITED, RATE_LIMITED, chart("BHP.AX", WEEK))
    answer = only(source(yahoo).fetch(con, [week()]))
    assert len(rows(answer.bars)) == 5
    assert len(yahoo.charts()) == 3


def test_a_permanent_429_stops_the_whole_run(yahoo: YahooReplay, con: DuckDBPyConnection) -> None:
    yahoo.script("BHP.AX", chart("BHP.AX", WEEK))
    yahoo.script("CBA.AX", RATE_LIMITED)
    yahoo_source = source(yahoo, attempts=3)
    answers = yahoo_source.fetch(con, [week(), week("CBA"), week("CSL")])
    assert next(answers).symbols == ("BHP",)
    with pytest.raises(RateLimited, match="429"):
        next(answers)
    assert len(yahoo.charts("CBA.AX")) == 6  # three attempts
    assert yahoo.charts("CSL.AX") == []

    before = len(yahoo.requests)
    with pytest.raises(RateLimited, match="429"):
        next(yahoo_source.fetch(con, [week()]))
    assert len(yahoo.requests) == before
