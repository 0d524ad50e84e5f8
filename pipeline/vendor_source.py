"""What sources share whose vendor answers per symbol: from the rows of an answer to bars and unread values."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from threading import Lock
from typing import Any, ClassVar

from duckdb import DuckDBPyConnection, Error

from stockstream.pipeline.errors import RateLimited, SourceError
from stockstream.pipeline.markets import Market
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.pipeline.vendor_api import BadRequestError, KeyRefusedError, VendorApi
from stockstream.pipeline.vendor_events import Report, Texts, event_tables

NO_EVENTS: Texts = ([], [])

_READ = """
WITH came AS (
    SELECT r.* FROM (SELECT unnest(from_json($rows::JSON, '[{{"symbol": "VARCHAR", "date": "VARCHAR",
        "open": "VARCHAR", "high": "VARCHAR", "low": "VARCHAR", "close": "VARCHAR", "volume": "VARCHAR",
        "adjusted_close": "VARCHAR", "missing": ["VARCHAR"], "row": "VARCHAR"}}]')) AS r)
),
read AS (
    SELECT
        symbol, TRY_CAST(date AS DATE) AS date, TRY_CAST(open AS DOUBLE) AS open, TRY_CAST(high AS DOUBLE) AS high,
        TRY_CAST(low AS DOUBLE) AS low, TRY_CAST(close AS DOUBLE) AS close,
        TRY_CAST(TRY_CAST(volume AS DOUBLE) AS BIGINT) AS volume,
        TRY_CAST(adjusted_close AS DOUBLE) AS adjusted_close, missing, "row",
        {{'open': open, 'high': high, 'low': low, 'close': close, 'volume': volume,
            'adjusted_close': adjusted_close}} AS text
    FROM came
)
"""

_BARS = (
    _READ
    + """
SELECT
    symbol, date,
    CASE WHEN isfinite(open) THEN open END AS open, CASE WHEN isfinite(high) THEN high END AS high,
    CASE WHEN isfinite(low) THEN low END AS low, CASE WHEN isfinite(close) THEN close END AS close,
    volume, CASE WHEN isfinite(adjusted_close) THEN adjusted_close END AS adjusted_close,
    CASE WHEN $reports THEN coalesce(d.dividend, 0) END AS dividend,
    CASE WHEN $reports THEN CASE WHEN s.symbol IS NULL THEN 1 ELSE s.split_ratio END END AS split_ratio,
    date AS price_basis
FROM (FROM read WHERE date IS NOT NULL) AS b
FULL JOIN {events}_dividends AS d USING (symbol, date)
FULL JOIN {events}_splits AS s USING (symbol, date)
"""
)

_CELLS = (
    _READ
    + """
SELECT symbol, date, column_name, text, reason, NULL::VARCHAR AS file, NULL::BIGINT AS line
FROM (
    SELECT symbol, date, cell.name AS column_name, cell.text AS text, cell.value AS value, 'no number' AS reason
    FROM (
        SELECT symbol, date, unnest([
            {{'name': 'open', 'text': text.open, 'value': open}},
            {{'name': 'high', 'text': text.high, 'value': high}},
            {{'name': 'low', 'text': text.low, 'value': low}},
            {{'name': 'close', 'text': text.close, 'value': close}},
            {{'name': 'volume', 'text': text.volume, 'value': volume}},
            {{'name': 'adjusted_close', 'text': text.adjusted_close, 'value': adjusted_close}}
        ]) AS cell
        FROM read
        WHERE date IS NOT NULL
    )
    WHERE text IS NOT NULL AND NOT coalesce(isfinite(value), false)
    UNION ALL
    SELECT symbol, date, unnest(missing), "row", NULL, 'the field is missing'
    FROM read
    WHERE date IS NOT NULL
    UNION ALL
    SELECT symbol, NULL, NULL, "row", NULL, 'no date that can be read'
    FROM read
    WHERE date IS NULL
    UNION ALL
    SELECT symbol, date, kind, text, NULL, reason
    FROM {events}_events
    WHERE reason IS NOT NULL AND $reports
)
"""
)

Row = dict[str, Any]
"""A row of an answer: symbol, date, open, high, low, close, volume and adjusted_close as texts; missing, row."""


def row_of(symbol: str, day: str, item: Mapping[str, Any], columns: Mapping[str, str]) -> Row:
    """Return a row; `columns` maps our names to those of the vendor, all of which its documentation promises."""
    missing = [ours for ours, theirs in columns.items() if theirs not in item]
    return {
        "symbol": symbol,
        "date": day,
        "missing": missing,
        "row": _text(item) if missing or not _is_day(day) else None,  # which only these rows show
        **{ours: _text(item.get(theirs)) for ours, theirs in columns.items()},
    }


def events_of(dividends: Sequence[Mapping[str, Any]], splits: Sequence[Mapping[str, Any]]) -> Texts:
    """Return events in the shape that `event_tables` reads.

    Dividends have ticker, ex_dividend_date, cash_amount and perhaps currency, pay_date, dividend_type, id; splits have
    ticker, execution_date, split_from, split_to.
    """
    return [_json({"results": dividends})], [_json({"results": splits})]


@dataclass
class Received:
    """What a vendor answered about some windows; no `events`: it reports neither dividends nor splits."""

    rows: list[Row]
    events: Texts | None = None
    failed: dict[str, str] = field(default_factory=dict)


class VendorSource(Source):
    """A source whose prices are as traded, and whose vendor answers per symbol."""

    group_size: ClassVar[int] = 1
    """Maximum number of symbols in one request."""

    def __init__(self, api: VendorApi, market: Market) -> None:
        self.api = api
        self.market = market
        self._lock = Lock()
        self._report = Report(self.name)
        self._outside: dict[tuple[str, str], None] = {}
        self._repeated: dict[tuple[str, str], None] = {}
        self._remarks: dict[str, None] = {}

    @abstractmethod
    def request(self, windows: Sequence[Window]) -> Received:
        """Return the vendor's answer about windows of the same days.

        Raises:
            SourceError: there is no answer about any of them.
        """

    def address(self) -> str:
        """Return the URL of the API."""
        return self.api.url

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Answer one group of windows after the other.

        Raises:
            KeyRefusedError: the key or its plan is refused (a SourceError); no other request would succeed.
            RateLimited: the vendor keeps refusing, or the quota is used up.
        """
        by_days: dict[tuple[date, date], list[Window]] = {}
        for window in windows:
            by_days.setdefault((window.start, window.end), []).append(window)
        for group in by_days.values():
            for first in range(0, len(group), self.group_size):
                yield from self._answers(con, group[first : first + self.group_size])

    def notes(self) -> list[str]:
        """Return what in the answers is not used, and which of several events on one day count."""
        with self._lock:
            lines = [*self._remarks, *self._report.lines()]
            for rows, what in (
                (self._outside, "rows of days that were not requested, which are not used"),
                (self._repeated, "days of a symbol more than once; where the rows differ, the values are not used"),
            ):
                if rows:
                    lines.append(f"{self.name} sent {len(rows)} {what}; the first: {' '.join(next(iter(rows)))}")
            return lines

    def remark(self, line: str) -> None:
        """Add a line to the notes, once."""
        with self._lock:
            self._remarks[line] = None

    def _answers(self, con: DuckDBPyConnection, group: Sequence[Window]) -> Iterator[Answer]:
        try:
            answers = [self._answer(con, group)]
        except (KeyRefusedError, RateLimited):
            raise
        except BadRequestError as error:
            if len(group) > 1:  # one symbol may be the reason
                for window in group:
                    yield from self._answers(con, [window])
                return
            answers = [Answer((), failed={group[0].symbol: str(error)})]
        except SourceError as error:
            answers = [Answer((), failed={window.symbol: str(error) for window in group})]
        yield from answers

    def _answer(self, con: DuckDBPyConnection, group: Sequence[Window]) -> Answer:
        """Return the bars joined with their events, and the values that could not be read.

        A relation with parameters holds its rows: it outlives the tables and whatever the connection executes next.
        """
        wrong = {w.symbol: reason for w in group if (reason := self._with_suffix(w.symbol))}
        group = [window for window in group if window.symbol not in wrong]
        if not group:
            return Answer((), failed=wrong)
        received = self.request(group)
        self._count(received.rows, group[0])
        symbols = [window.symbol for window in group if window.symbol not in received.failed]
        rows = sorted(
            (row for row in received.rows if row["symbol"] in symbols), key=lambda row: (row["symbol"], row["date"])
        )

        def price_step(symbol: str, day: date) -> float | None:
            return _step([row for row in rows if row["symbol"] == symbol], day)

        values = {"rows": _json(rows), "reports": received.events is not None}
        events = received.events or NO_EVENTS
        try:
            with event_tables(con, events, symbols, self.market.currency, price_step, self._report) as prefix:
                bars, cells = (con.sql(query.format(events=prefix), params=values) for query in (_BARS, _CELLS))
                return Answer(tuple(symbols), bars, received.failed | wrong, cells)
        except Error as error:  # what Python's json accepts and DuckDB's does not
            reason = self.api.one_line(error)
            raise SourceError(f"{self.name}: the answer for {symbols[0]} cannot be read ({reason})") from None

    def _with_suffix(self, symbol: str) -> str | None:
        """Return why a symbol in the notation of another vendor, such as BHP.AX, is not requested."""
        bare, dot, suffix = symbol.rpartition(".")
        if bare and f"{dot}{suffix}".upper() in self.market.suffixes:
            return f"write {bare}: --source {self.name} adds what the vendor appends to the exchange's own code"
        return None

    def _count(self, rows: Sequence[Row], window: Window) -> None:
        """Note the rows of other days than requested, and the days that came more than once."""
        days = Counter((row["symbol"], row["date"]) for row in rows)
        start, end = str(window.start), str(window.end)
        with self._lock:
            self._repeated.update({key: None for key, count in days.items() if count > 1})
            self._outside.update({key: None for key in days if _is_day(key[1]) and not start <= key[1] <= end})


def _step(rows: Sequence[Row], day: date) -> float | None:
    """Return the last close before a day divided by the day's open; None if one of them is missing."""
    try:
        before = [float(row["close"]) for row in rows if row["date"] < str(day)]
        opening = [float(row["open"]) for row in rows if row["date"] == str(day)]
        return before[-1] / opening[0]
    except (TypeError, ValueError, LookupError, ZeroDivisionError):
        return None


def _is_day(text: str) -> bool:
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json(value: object) -> str:
    """Return JSON text; half a surrogate pair, which is no text in UTF-8, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
