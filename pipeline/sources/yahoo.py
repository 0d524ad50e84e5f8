"""`yahoo`: Yahoo Finance, through yfinance, one symbol at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import RateLimited, SourceError
from stockstream.pipeline.markets import Market
from stockstream.pipeline.setting_fields import EnvironmentSettings, setting
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.pipeline.symbols import yahoo_code
from stockstream.pipeline.yahoo_api import TransientError, UnreachableError, history
from stockstream.pipeline.yahoo_events import YahooEvents, unread_prices

MAX_UNREACHABLE = 3
"""After this number of symbols in a row without any answer, each tried several times, there is no connection."""
RESTATED_AT = timedelta(hours=10)
"""Time of day from which Yahoo's prices include a split of that day."""

_BARS = """
    symbol, CAST(date AS DATE) AS date, Open AS open, High AS high, Low AS low, Close AS close,
    CAST(CASE WHEN isfinite(CAST(Volume AS DOUBLE)) THEN Volume END AS BIGINT) AS volume,
    "Adj Close" AS adjusted_close, Dividends AS dividend,
    CASE WHEN "Stock Splits" = 0 THEN 1 ELSE "Stock Splits" END AS split_ratio,
    CAST(price_basis AS DATE) AS price_basis
"""

_CELLS = """
SELECT symbol, CAST(date AS DATE) AS date, column_name, text, reason, NULL::VARCHAR AS file, NULL::BIGINT AS line
FROM (SELECT unnest(from_json($cells, '[{"symbol": "VARCHAR", "date": "VARCHAR", "column_name": "VARCHAR",
    "text": "VARCHAR", "reason": "VARCHAR"}]'), recursive := true))
"""


@dataclass(frozen=True, kw_only=True)
class YahooSettings(EnvironmentSettings):
    """The settings of this source alone."""

    url: str | None = setting(None, "STOCKSTREAM_YAHOO_URL", "A proxy or replay of Yahoo's API")
    pause: float = setting(2.0, "STOCKSTREAM_YAHOO_PAUSE", "Seconds between two symbols", minimum=0)


class YahooSource(Source):
    """The bars of one exchange at Yahoo: prices adjusted for every split up to the moment of the fetch.

    Args:
        suffix: What Yahoo appends to the exchange's own code: ".AX" for ASX, nothing for US.
        timezone: The exchange's IANA time zone.
        pause: Minimum seconds between the end of one symbol and the beginning of the next.
        attempts: Maximum number of attempts per symbol.
        wait, wait_max: Seconds; the wait after attempt n is random, up to the smaller of wait * 2^n and wait_max.
        url: A proxy or replay of Yahoo; it reads the host that was meant from `X-Replay-Host`.
    """

    name = "yahoo"
    on_lambda = True
    concurrency = 1
    timeout: float = 30.0
    """Maximum seconds per request."""

    def __init__(
        self,
        suffix: str,
        timezone: str,
        pause: float,
        attempts: int,
        wait: float,
        wait_max: float,
        url: str | None = None,
    ) -> None:
        self.suffix = suffix
        self.timezone = timezone
        self.pause = pause
        self.url = url
        self._retrying = Retrying(
            retry=retry_if_exception_type((TransientError, RateLimited)),
            stop=stop_after_attempt(attempts),
            wait=wait_random_exponential(multiplier=wait, max=wait_max),
            reraise=True,
        )
        self._not_before = 0.0
        self._gave_up: SourceError | None = None
        self._unreachable = 0

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source of a market's exchange."""
        yahoo = YahooSettings.read()
        return cls(
            market.yahoo_suffix,
            market.timezone,
            pause=yahoo.pause,
            attempts=settings.retry_attempts,
            wait=settings.retry_wait,
            wait_max=settings.retry_wait_max,
            url=yahoo.url,
        )

    def address(self) -> str:
        """Return the URL of Yahoo's API, or of what takes its place."""
        return self.url or "https://query2.finance.yahoo.com"

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Answer one window after the other, each with one request if all goes well.

        Raises:
            RateLimited: Yahoo answered HTTP 429 to every attempt; Yahoo bans by IP address.
            SourceError: Yahoo could not be reached for several symbols in a row.
            From then on this object raises the same error without a request.
        """
        for window in windows:
            if self._gave_up:
                raise self._gave_up
            time.sleep(max(0.0, self._not_before - time.monotonic()))
            try:
                answer = self._retrying(self._answer, con, window)
                self._unreachable = 0
            except RateLimited as error:
                self._gave_up = error
                raise
            except SourceError as error:
                answer = Answer((), failed={window.symbol: str(error)})
                self._unreachable = self._unreachable + 1 if isinstance(error, UnreachableError) else 0
            self._not_before = time.monotonic() + self.pause
            yield answer
            if self._unreachable >= MAX_UNREACHABLE:
                self._gave_up = SourceError("Yahoo cannot be reached: is there a network?")

    def _answer(self, con: DuckDBPyConnection, window: Window) -> Answer:
        """Request one window once. There are no bars if Yahoo knows the symbol and has no rows there."""
        # Yahoo restates the prices before a split when the session of its ex-date opens (ASX at 10:00, US at 9:30), not
        # at midnight: a fetch before 10:00 includes the splits through yesterday only. If the answer itself lists a
        # later split (a US fetch between 9:30 and 10:00), the prices include that one, too. Read the clock before the
        # request: in doubt, the earlier day.
        now = datetime.now(ZoneInfo(self.timezone))
        answer = history(
            yahoo_code(window.symbol, self.suffix), window.start, window.end, self.timezone, self.timeout, self.url
        )
        if answer is None or answer[0].empty:
            return Answer((window.symbol,))
        frame, chart = answer
        frame = frame.tz_localize(None).rename_axis("date")
        events = YahooEvents.of(chart, ZoneInfo(self.timezone))
        for name, values in (("Dividends", events.dividends), ("Stock Splits", events.splits)):
            frame[name] = [values.get(day.date(), 0.0) for day in frame.index]
        # A split that is announced for a day to come is in no price.
        split_days = [day.date() for day in frame.index[frame["Stock Splits"] != 0] if day.date() <= now.date()]
        cells = unread_prices(chart, ZoneInfo(self.timezone)) + events.unused(frame.index)
        # yfinance makes 0 of a missing volume.
        if unknown := {cell["date"] for cell in cells if cell["column_name"] == "volume"}:
            days = [str(day.date()) for day in frame.index]
            frame["Volume"] = frame["Volume"].astype(float).where([day not in unknown for day in days])
        table = frame.reset_index().assign(
            symbol=window.symbol, price_basis=max([(now - RESTATED_AT).date(), *split_days])
        )
        rows = [cell | {"symbol": window.symbol} for cell in cells]
        return Answer(
            (window.symbol,),
            con.from_df(table).project(_BARS),
            cells=con.sql(_CELLS, params={"cells": json.dumps(rows)}) if rows else None,
        )
