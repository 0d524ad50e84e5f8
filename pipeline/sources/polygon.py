"""`polygon`: the US market from Polygon, prices as traded; needs POLYGON_API_KEY."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from threading import Lock
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from duckdb import ConversionException, DuckDBPyConnection, DuckDBPyRelation

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import RateLimited, SourceError
from stockstream.pipeline.listings.polygon import PolygonListings
from stockstream.pipeline.markets import Market
from stockstream.pipeline.polygon_api import KeyRefusedError, PolygonApi
from stockstream.pipeline.sources.base import Answer, Source, Window

logger = logging.getLogger(__name__)

EVENT_CALLS = 2
"""Minimum calls for the dividends and splits of a range of days, of one ticker or of the whole market."""
TICKER_CALLS = 1 + EVENT_CALLS
"""Minimum calls for the bars, dividends and splits of one ticker."""

Page = tuple[date | None, str]
"""The text of an answer, and its day if it is one day of the whole market."""
Events = tuple[list[str], list[str]]
"""The texts of the answers with dividends and with splits."""

# Values are extracted by path: the names of a struct's fields are not case-sensitive, and T (ticker) is not t (time).
# t is in milliseconds, UTC; the session is its date in New York (midnight there, or the close at 16:00).
_INSERT = """
INSERT INTO {table}
SELECT
    coalesce($symbol::VARCHAR, bar->>'$.T') AS symbol,
    TRY((epoch_ms(TRY_CAST(TRY_CAST(bar->>'$.t' AS DOUBLE) AS BIGINT))
        AT TIME ZONE 'UTC' AT TIME ZONE 'America/New_York')::DATE) AS date,
    TRY_CAST(bar->>'$.o' AS DOUBLE) AS open,
    TRY_CAST(bar->>'$.h' AS DOUBLE) AS high,
    TRY_CAST(bar->>'$.l' AS DOUBLE) AS low,
    TRY_CAST(bar->>'$.c' AS DOUBLE) AS close,
    TRY_CAST(TRY_CAST(bar->>'$.v' AS DOUBLE) AS BIGINT) AS volume,
    $day::DATE AS day
FROM (SELECT unnest(from_json($text::JSON, '{{"results":["JSON"]}}').results) AS bar)
WHERE coalesce($symbol::VARCHAR, bar->>'$.T') IN (SELECT unnest($symbols::VARCHAR[]))
"""

_BARS = """
WITH dividends AS (
    SELECT ticker AS symbol, ex_dividend_date AS date, sum(cash_amount) AS dividend
    FROM (
        SELECT unnest(from_json(page::JSON,
            '{{"results":[{{"ticker":"VARCHAR","ex_dividend_date":"DATE","cash_amount":"DOUBLE"}}]}}'
        ).results, recursive := true)
        FROM (SELECT unnest($dividends::VARCHAR[]) AS page)
    )
    GROUP BY ALL
),
splits AS (
    SELECT ticker AS symbol, execution_date AS date, product(split_to / nullif(split_from, 0)) AS split_ratio
    FROM (
        SELECT unnest(from_json(page::JSON,
            '{{"results":[{{"ticker":"VARCHAR","execution_date":"DATE","split_from":"DOUBLE","split_to":"DOUBLE"}}]}}'
        ).results, recursive := true)
        FROM (SELECT unnest($splits::VARCHAR[]) AS page)
    )
    GROUP BY ALL
)
SELECT
    symbol, date, open, high, low, close, volume, NULL::DOUBLE AS adjusted_close,
    coalesce(dividend, 0) AS dividend, coalesce(split_ratio, 1) AS split_ratio, date AS price_basis
FROM {table}
FULL JOIN dividends USING (symbol, date)
FULL JOIN splits USING (symbol, date)
WHERE symbol IN (SELECT unnest($symbols::VARCHAR[])) AND date IS NOT NULL
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
        self._events: dict[tuple[date, date], Events] = {}

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source.

        Raises:
            UsageError: there is no key.
        """
        return cls(PolygonApi.from_settings(settings))

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
                bars = self._by_day(con, group) if group is by_day else self._by_ticker(con, group[0])
                answer = Answer(symbols, bars)
            except (KeyRefusedError, RateLimited):
                raise
            except SourceError as error:
                answer = Answer((), failed=dict.fromkeys(symbols, str(error)))
            yield answer

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

    def _by_day(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> DuckDBPyRelation:
        days = ((day, self._day(day)) for day in _weekdays(windows))
        return _bars(con, [window.symbol for window in windows], days, self._market_events(*_span(windows)))

    def _by_ticker(self, con: DuckDBPyConnection, window: Window) -> DuckDBPyRelation:
        path = f"/v2/aggs/ticker/{quote(window.symbol, safe='')}/range/1/day/{window.start}/{window.end}"
        pages = [(None, text) for text in self._api.pages(path, adjusted="false", sort="asc", limit=50000)]
        return _bars(con, [window.symbol], pages, self._request_events(window.start, window.end, ticker=window.symbol))

    def _day(self, day: date) -> str:
        """Return the whole market's bars of a day. One thread requests them, the others wait for its answer."""
        with self._lock:
            if day not in self._days:
                text = next(self._api.pages(f"/v2/aggs/grouped/locale/us/market/stocks/{day}", adjusted="false"))
                # Over 1 MB of text per day, compressed less than half of that: a Lambda function can hold a year.
                self._days[day] = zlib.compress(text.encode(), level=1)
            packed = self._days[day]
        return zlib.decompress(packed).decode()

    def _market_events(self, start: date, end: date) -> Events:
        with self._lock:
            if (start, end) not in self._events:
                self._events[start, end] = self._request_events(start, end)
            return self._events[start, end]

    def _request_events(self, start: date, end: date, **params: str) -> Events:
        def between(kind: str, field: str) -> list[str]:
            days = {f"{field}.gte": str(start), f"{field}.lte": str(end)}
            return list(self._api.pages(f"/v3/reference/{kind}", **days, limit=1000, **params))

        return between("dividends", "ex_dividend_date"), between("splits", "execution_date")


def _bars(con: DuckDBPyConnection, symbols: list[str], pages: Iterable[Page], events: Events) -> DuckDBPyRelation:
    """Return the bars of the symbols joined with their events, in the columns of `Answer.bars`.

    The texts are parsed one at a time, so that only one day of the whole market is in memory. A relation with
    parameters holds its rows: it outlives the table and whatever the connection executes next.
    """
    table = f"polygon_{uuid4().hex}"
    con.execute(
        f"CREATE TEMP TABLE {table} (symbol VARCHAR, date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE,"
        " volume BIGINT, day DATE)"
    )
    try:
        for day, text in pages:
            values = {"text": text, "day": day, "symbols": symbols, "symbol": None if day else symbols[0]}
            con.execute(_INSERT.format(table=table), values)
        strays = con.execute(
            f"DELETE FROM {table} WHERE day IS NOT NULL AND date IS DISTINCT FROM day RETURNING symbol, date, day"
        ).fetchall()
        if strays:
            logger.warning(
                "polygon: %d bars dropped, not of the day requested; the first: %s of %s in the answer for %s",
                len(strays),
                *strays[0],
            )
        dividends, splits = events
        return con.sql(_BARS.format(table=table), params={"symbols": symbols, "dividends": dividends, "splits": splits})
    except ConversionException:  # what Python's json accepts and DuckDB's does not: half a surrogate pair, NaN
        raise SourceError(f"polygon: malformed JSON in the answer for {', '.join(symbols[:3])}") from None
    finally:
        con.execute(f"DROP TABLE {table}")


def _weekdays(windows: Iterable[Window]) -> list[date]:
    """Return each Monday to Friday within any of the windows, sorted."""
    days = {
        window.start + timedelta(offset) for window in windows for offset in range((window.end - window.start).days + 1)
    }
    return sorted(day for day in days if day.weekday() < 5)


def _span(windows: Sequence[Window]) -> tuple[date, date]:
    """Return the first and the last day of all windows together."""
    return min(window.start for window in windows), max(window.end for window in windows)
