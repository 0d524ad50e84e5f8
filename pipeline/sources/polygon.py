"""`polygon`: the US market from Polygon, prices as traded; needs POLYGON_API_KEY."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from threading import Lock
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from duckdb import ConversionException, DuckDBPyConnection

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import RateLimited, SourceError
from stockstream.pipeline.listings.polygon import PolygonListings
from stockstream.pipeline.markets import MARKETS, Market
from stockstream.pipeline.polygon_api import EmptyAnswerError, PolygonApi
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.pipeline.vendor_api import KeyRefusedError
from stockstream.pipeline.vendor_events import Report, Texts, event_tables

DAYS_BEFORE = timedelta(days=14)
"""Days before an ex-date in which the previous close is searched, if the answer does not have it."""
FIRST_DAY = date(2003, 9, 10)
"""The first day of Polygon's bars of stocks; the answers for earlier days are empty."""
EVENT_CALLS = 2
"""Minimum calls for the dividends and splits of a range of days, of one ticker or of the whole market."""
TICKER_CALLS = 1 + EVENT_CALLS
"""Minimum calls for the bars, dividends and splits of one ticker."""

Page = tuple[date | None, str]
"""The text of an answer, and its day if it is one day of the whole market."""

# Values are extracted by path: the names of a struct's fields are not case-sensitive, and T (ticker) is not t (time).
# An entry without a ticker belongs to no batch: it is reported by the first one that reads the day.
_INSERT = """
INSERT INTO {table}
SELECT coalesce($symbol::VARCHAR, bar->>'$.T') AS symbol, bar, $day::DATE AS day
FROM (SELECT unnest(from_json($text::JSON, '{{"results":["JSON"]}}').results) AS bar)
WHERE coalesce($symbol::VARCHAR, bar->>'$.T') IN (SELECT unnest($symbols::VARCHAR[]))
    OR ($is_first AND coalesce($symbol::VARCHAR, bar->>'$.T') IS NULL)
"""

# t is in milliseconds, UTC; the session is its date in New York (midnight there, or the close at 16:00).
_READ = """
CREATE TEMP VIEW {table}_read AS
SELECT
    symbol, bar, day,
    TRY((epoch_ms(TRY_CAST(TRY_CAST(bar->>'$.t' AS DOUBLE) AS BIGINT))
        AT TIME ZONE 'UTC' AT TIME ZONE 'America/New_York')::DATE) AS date,
    TRY_CAST(bar->>'$.o' AS DOUBLE) AS open,
    TRY_CAST(bar->>'$.h' AS DOUBLE) AS high,
    TRY_CAST(bar->>'$.l' AS DOUBLE) AS low,
    TRY_CAST(bar->>'$.c' AS DOUBLE) AS close,
    TRY_CAST(TRY_CAST(bar->>'$.v' AS DOUBLE) AS BIGINT) AS volume
FROM {table}
"""

_BARS = """
SELECT
    symbol, date,
    CASE WHEN isfinite(open) THEN open END AS open, CASE WHEN isfinite(high) THEN high END AS high,
    CASE WHEN isfinite(low) THEN low END AS low, CASE WHEN isfinite(close) THEN close END AS close,
    volume, NULL::DOUBLE AS adjusted_close, coalesce(dividend, 0) AS dividend,
    CASE WHEN s.symbol IS NULL THEN 1 ELSE split_ratio END AS split_ratio, date AS price_basis
FROM (FROM {table} WHERE day IS NULL OR date = day) AS b
FULL JOIN {events}_dividends AS d USING (symbol, date)
FULL JOIN {events}_splits AS s USING (symbol, date)
WHERE symbol IN (SELECT unnest($symbols::VARCHAR[])) AND date IS NOT NULL
"""

_CELLS = """
SELECT symbol, date, column_name, text, reason, NULL::VARCHAR AS file, NULL::BIGINT AS line
FROM (
    SELECT symbol, date, cell.name AS column_name, cell.text AS text, cell.value AS value, 'no number' AS reason
    FROM (
        SELECT symbol, date, unnest([
            {{'name': 'open', 'text': bar->>'$.o', 'value': open}},
            {{'name': 'high', 'text': bar->>'$.h', 'value': high}},
            {{'name': 'low', 'text': bar->>'$.l', 'value': low}},
            {{'name': 'close', 'text': bar->>'$.c', 'value': close}},
            {{'name': 'volume', 'text': bar->>'$.v', 'value': volume}}
        ]) AS cell
        FROM {table}
        WHERE symbol IS NOT NULL AND date IS NOT NULL AND (day IS NULL OR date = day)
    )
)
WHERE text IS NOT NULL AND NOT coalesce(isfinite(value), false)
UNION ALL
SELECT
    symbol, date, NULL AS column_name, bar::VARCHAR AS text,
    CASE
        WHEN symbol IS NULL THEN 'no ticker'
        WHEN date IS NULL THEN 'no time that can be read'
        ELSE format('not of {{}}, the requested day', day)
    END AS reason,
    NULL AS file, NULL AS line
FROM {table}
WHERE symbol IS NULL OR date IS NULL OR date <> day
UNION ALL
SELECT symbol, date, kind AS column_name, text, reason, NULL AS file, NULL AS line
FROM {events}_events
WHERE reason IS NOT NULL AND $symbols IS NOT NULL
"""


class PolygonSource(Source):
    """Daily bars from Polygon: prices as traded, with the dividends and splits of each day.

    A range of days is requested either as the whole market's bars per weekday or ticker by ticker, whichever takes
    fewer calls: the calls per minute of the plan bound the duration of a run. Answers for the whole market are cached
    for the life of the source, so that the next batches of a run need no request.
    """

    name = "polygon"
    markets = ("US",)
    on_lambda = True

    def __init__(self, api: PolygonApi) -> None:
        self._api = api
        self._lock = Lock()
        self._days: dict[date, bytes] = {}
        self._empty: dict[date, EmptyAnswerError] = {}
        self._read: set[date] = set()
        self._events: dict[tuple[date, date], Texts] = {}
        self._report = Report(self.name)

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source.

        Raises:
            UsageError: there is no key.
        """
        return cls(PolygonApi.from_settings(settings))

    def address(self) -> str:
        """Return the URL of the API."""
        return self._api.url

    def listings(self) -> PolygonListings:
        """Return Polygon's own list of tickers; it shares the rate limit of this source."""
        return PolygonListings(self._api)

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Answer every window once: those served by the whole market's days in one answer, each other one in its own.

        Raises:
            KeyRefusedError: the key or its plan is refused (a SourceError); no other request would succeed.
            RateLimited: Polygon keeps answering 429.
        """
        by_day, by_ticker = self._fewest_calls(windows)
        for group in [by_day, *([window] for window in by_ticker)]:
            if not group:
                continue
            symbols = tuple(dict.fromkeys(window.symbol for window in group))
            try:
                answer = self._by_day(con, group) if group is by_day else self._by_ticker(con, group[0])
            except (KeyRefusedError, RateLimited):
                raise
            except SourceError as error:
                answer = Answer((), failed=dict.fromkeys(symbols, str(error)))
            yield answer

    def notes(self) -> list[str]:
        """Return which events are listed more than once, and which of several splits on one day count."""
        with self._lock:
            return self._report.lines()

    def _fewest_calls(self, windows: Sequence[Window]) -> tuple[list[Window], list[Window]]:
        """Split the windows into those to request as the whole market's days and those to request ticker by ticker.

        The first group takes the windows that start latest, so that one long history among many short windows does not
        multiply the days.
        """
        latest = sorted(windows, key=lambda window: window.start, reverse=True)
        fewest, cut, days = TICKER_CALLS * len(latest), 0, set[date]()
        for count, window in enumerate(latest, start=1):
            days.update(_weekdays([window]))
            calls = sum(day not in self._days for day in days) + TICKER_CALLS * (len(latest) - count)
            calls += EVENT_CALLS if _span(latest[:count]) not in self._events else 0
            if calls < fewest:
                fewest, cut = calls, count
        return latest[:cut], latest[cut:]

    def _by_day(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Answer:
        """Answer with the days before the first session whose answer stays empty: later bars would hide the gap."""
        days: list[date] = []
        failed: dict[str, str] = {}
        for day in _weekdays(windows):
            try:
                self._day(day)
            except EmptyAnswerError as error:
                failed = {window.symbol: str(error) for window in windows if window.end >= day}
                break
            days.append(day)
        pages = ((day, self._day(day)) for day in days)
        symbols = [window.symbol for window in windows]
        answer = self._answer(con, symbols, pages, self._market_events(*_span(windows)))
        return replace(answer, symbols=tuple(dict.fromkeys(s for s in symbols if s not in failed)), failed=failed)

    def _by_ticker(self, con: DuckDBPyConnection, window: Window) -> Answer:
        pages = [(None, text) for text in self._aggregates(window.symbol, window.start, window.end)]
        events = self._request_events(window.start, window.end, ticker=window.symbol)
        return self._answer(con, [window.symbol], pages, events)

    def _aggregates(self, symbol: str, start: date, end: date) -> Iterator[str]:
        path = f"/v2/aggs/ticker/{quote(symbol, safe='')}/range/1/day/{start}/{end}"
        return self._api.pages(path, adjusted="false", sort="asc", limit=50000)

    def _day(self, day: date) -> str:
        """Return the whole market's bars of a day. One thread requests them, the others wait for its answer.

        Raises:
            EmptyAnswerError: the day is a session, and every attempt had an empty answer.
        """
        with self._lock:
            if day in self._empty:
                raise self._empty[day]
            if day not in self._days:
                path = f"/v2/aggs/grouped/locale/us/market/stocks/{day}"
                try:
                    if day >= FIRST_DAY and MARKETS["US"].is_session(day):
                        text = self._api.page_with_rows(path, adjusted="false")
                    else:
                        text = next(self._api.pages(path, adjusted="false"))
                except EmptyAnswerError as error:
                    self._empty[day] = error
                    raise
                # Over 1 MB of text per day, compressed less than half of that: a Lambda function can hold a year.
                self._days[day] = zlib.compress(text.encode(), level=1)
            packed = self._days[day]
        return zlib.decompress(packed).decode()

    def _market_events(self, start: date, end: date) -> Texts:
        with self._lock:
            if (start, end) not in self._events:
                self._events[start, end] = self._request_events(start, end)
            return self._events[start, end]

    def _request_events(self, start: date, end: date, **params: str) -> Texts:
        def between(kind: str, field: str) -> list[str]:
            days = {f"{field}.gte": str(start), f"{field}.lte": str(end)}
            return list(self._api.pages(f"/v3/reference/{kind}", **days, limit=1000, **params))

        return between("dividends", "ex_dividend_date"), between("splits", "execution_date")

    def _answer(self, con: DuckDBPyConnection, symbols: list[str], pages: Iterable[Page], events: Texts) -> Answer:
        """Return the bars of the symbols joined with their events, and the values that could not be read.

        A relation with parameters holds its rows: it outlives the tables and whatever the connection executes next.
        """
        try:
            with self._bars(con, symbols, pages) as table:

                def price_step(symbol: str, day: date) -> float | None:
                    return self._price_step(con, table, symbol, day)

                currency = MARKETS["US"].currency
                with event_tables(con, events, symbols, currency, price_step, self._report) as prefix:
                    bars, cells = (
                        con.sql(query.format(table=table, events=prefix), params={"symbols": symbols})
                        for query in (_BARS, _CELLS)
                    )
                    return Answer(tuple(symbols), bars, cells=cells)
        except ConversionException:  # what Python's json accepts and DuckDB's does not: half a surrogate pair, NaN
            raise SourceError(f"polygon: malformed JSON in the answer for {', '.join(symbols[:3])}") from None

    @contextmanager
    def _bars(self, con: DuckDBPyConnection, symbols: list[str], pages: Iterable[Page]) -> Iterator[str]:
        """Create a temporary view of the bars of some symbols as they came; yield its name.

        The texts are parsed one at a time, so that only one day of the whole market is in memory.
        """
        table = f"polygon_{uuid4().hex}"
        con.execute(f"CREATE TEMP TABLE {table} (symbol VARCHAR, bar JSON, day DATE)")
        con.execute(_READ.format(table=table))
        try:
            for day, text in pages:
                values = {"text": text, "day": day, "symbols": symbols, "symbol": None if day else symbols[0]}
                con.execute(_INSERT.format(table=table), values | {"is_first": self._is_first(day)})
            yield f"{table}_read"
        finally:
            con.execute(f"DROP VIEW {table}_read")
            con.execute(f"DROP TABLE {table}")

    def _is_first(self, day: date | None) -> bool:
        """Return whether no batch of this source has read the answer for a day yet."""
        with self._lock:
            is_first = day is not None and day not in self._read
            if day is not None:
                self._read.add(day)
            return is_first

    def _price_step(self, con: DuckDBPyConnection, table: str, symbol: str, day: date) -> float | None:
        """Return the close before a day divided by the day's open (or close); requests them if the answer lacks one."""
        query = "SELECT date, open, close FROM {} WHERE symbol = $symbol AND close > 0 AND date <= $day"
        values = {"symbol": symbol, "day": day}
        step = _step(con.execute(query.format(table), values).fetchall(), day)
        if step is None:
            pages = [(None, text) for text in self._aggregates(symbol, day - DAYS_BEFORE, day)]
            with self._bars(con, [symbol], pages) as around:
                step = _step(con.execute(query.format(around), values).fetchall(), day)
        return step


def _step(bars: list[tuple[date, float | None, float]], day: date) -> float | None:
    """Return the last close before a day divided by the open of the day, or its close if it has no open."""
    before = [bar for bar in sorted(bars) if bar[0] < day]
    of_day = [bar for bar in bars if bar[0] == day]
    if not before or not of_day:
        return None
    _, opening, close = of_day[0]
    return before[-1][2] / (opening if opening and opening > 0 else close)


def _weekdays(windows: Iterable[Window]) -> list[date]:
    """Return each Monday to Friday within any of the windows, sorted."""
    days = {
        window.start + timedelta(offset) for window in windows for offset in range((window.end - window.start).days + 1)
    }
    return sorted(day for day in days if day.weekday() < 5)


def _span(windows: Sequence[Window]) -> tuple[date, date]:
    """Return the first and the last day of all windows together."""
    return min(window.start for window in windows), max(window.end for window in windows)
