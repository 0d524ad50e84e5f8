"""Yahoo's daily bars, through yfinance, one symbol at a time."""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import yfinance as yf
from duckdb import DuckDBPyConnection, DuckDBPyRelation
from pandas import DataFrame
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from yfinance._http import new_session
from yfinance.data import YfData
from yfinance.exceptions import YFException, YFPricesMissingError, YFRateLimitError

from stockstream.pipeline.errors import RateLimited, SourceError
from stockstream.pipeline.settings import Settings
from stockstream.pipeline.sources.base import Answer, Source, Window

_ONE_AT_A_TIME = Lock()
"""yfinance keeps one session, one crumb and unguarded dictionaries a process: it is not thread-safe."""

_BARS = """
    symbol, CAST(date AS DATE) AS date, Open AS open, High AS high, Low AS low, Close AS close,
    CAST(Volume AS BIGINT) AS volume, "Adj Close" AS adjusted_close, Dividends AS dividend,
    CASE WHEN "Stock Splits" = 0 THEN 1 ELSE "Stock Splits" END AS split_ratio,
    CAST(price_basis AS DATE) AS price_basis
"""


class _PassingError(SourceError):
    """A failure that the next try may not meet."""


class _UnreachableError(_PassingError):
    """No answer came at all."""


UNREACHABLE = 3
"""So many symbols after one another without any answer, each tried again and again: there is no connection."""


class YahooSource(Source):
    """The bars of one exchange as Yahoo has them: prices adjusted for every split up to the moment of the fetch.

    Args:
        suffix: what Yahoo adds to the exchange's own code: ".AX" for ASX, nothing for US.
        timezone: the exchange's, by its IANA name.
        pause: least seconds between the end of one symbol and the beginning of the next.
        attempts: tries of one symbol.
        wait, wait_max: seconds; the try after the n-th waits at random up to wait * 2^n, and never above wait_max.
        url: a proxy or replay to ask in Yahoo's place; it finds the host that was meant in `X-Replay-Host`.
    """

    name: ClassVar[str] = "yahoo"
    concurrency: ClassVar[int] = 1
    timeout: float = 30.0
    """Seconds that one request may take."""

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
            retry=retry_if_exception_type((_PassingError, RateLimited)),
            stop=stop_after_attempt(attempts),
            wait=wait_random_exponential(multiplier=wait, max=wait_max),
            reraise=True,
        )
        self._not_before = 0.0
        self._given_up: SourceError | None = None
        self._unreachable = 0

    @classmethod
    def from_settings(cls, settings: Settings, suffix: str, timezone: str) -> YahooSource:
        """Make the source of one exchange with the pauses, retries and address that are set."""
        return cls(
            suffix,
            timezone,
            pause=settings.yahoo_pause,
            attempts=settings.retry_attempts,
            wait=settings.retry_wait,
            wait_max=settings.retry_wait_max,
            url=settings.yahoo_url,
        )

    def fetch(self, con: DuckDBPyConnection, windows: Sequence[Window]) -> Iterator[Answer]:
        """Answer one window after the other, each with one request where all goes well.

        Raises:
            RateLimited: Yahoo answered HTTP 429 to every try; Yahoo bans by address.
            SourceError: Yahoo could not be reached for several symbols in a row.
            From then on this object raises the same without asking.
        """
        for window in windows:
            if self._given_up:
                raise self._given_up
            time.sleep(max(0.0, self._not_before - time.monotonic()))
            try:
                answer = Answer((window.symbol,), self._retrying(self._bars, con, window))
                self._unreachable = 0
            except RateLimited as error:
                self._given_up = error
                raise
            except SourceError as error:
                answer = Answer((), failed={window.symbol: str(error)})
                self._unreachable = self._unreachable + 1 if isinstance(error, _UnreachableError) else 0
            self._not_before = time.monotonic() + self.pause
            yield answer
            if self._unreachable >= UNREACHABLE:
                self._given_up = SourceError("Yahoo cannot be reached: is there a network?")

    def _bars(self, con: DuckDBPyConnection, window: Window) -> DuckDBPyRelation | None:
        """Ask for one window once; None says that Yahoo knows the symbol and has no rows there."""
        # Yahoo restates the prices before a split when the session of its ex-date opens (ASX at 10:00, US at 9:30), not
        # at midnight: so a fetch before 10:00 holds the splits through yesterday only. Where the answer itself lists a
        # later split (a US fetch between 9:30 and 10:00), the prices hold that one too. Read before asking: in doubt
        # the earlier day.
        basis = (datetime.now(ZoneInfo(self.timezone)) - timedelta(hours=10)).date()
        frame = self._history(window)
        if frame is None or frame.empty:
            return None
        frame = frame.tz_localize(None).rename_axis("date")
        split_days: list[date] = [day.date() for day in frame.index[frame["Stock Splits"] != 0]]
        table = frame.reset_index().assign(symbol=window.symbol, price_basis=max([basis, *split_days]))
        return con.from_df(table).project(_BARS)

    def _history(self, window: Window) -> DataFrame | None:
        """Give yfinance's frame: an exchange-local midnight a row; columns Open to Volume, Dividends, Stock Splits.

        Raises:
            RateLimited: HTTP 429.
            SourceError: any other failure, in words; `_PassingError` where another try may help.
        """
        # Yahoo writes a share class with a hyphen: the exchange's BRK.B is its BRK-B.
        code = window.symbol.replace(".", "-") + self.suffix
        with _ONE_AT_A_TIME:
            line = _line(self.url)
            line.answer = None
            # yfinance remembers the answers to past ranges, failures too: a retry would get the same failure again,
            # and the run of the next day in a warm Lambda yesterday's rows.
            YfData.cache_get.cache_clear()
            try:
                ticker = yf.Ticker(code, session=line.session)
                ticker._tz = self.timezone  # else yfinance asks Yahoo for it first: twice the requests
                return ticker.history(
                    start=window.start,
                    end=window.end + timedelta(days=1),  # exclusive
                    interval="1d",
                    auto_adjust=False,
                    actions=True,
                    keepna=True,
                    repair=False,
                    timeout=self.timeout,
                )
            # yfinance lets through whatever its HTTP client, JSON and pandas raise; one symbol must not stop the batch.
            except Exception as error:
                failure = _failure(code, error, line.answer, self.timeout)
                if failure is None:
                    return None
                raise failure from error


class _Line:
    """yfinance's own HTTP session, listened in on: its exceptions do not tell what Yahoo answered.

    One a process and address, as yfinance keeps one crumb a process, which is good only with its session's cookies.
    """

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.session = new_session()
        self.answer: Any = None
        """The last response to a request for bars; None while there is none."""
        self._send = self.session.request
        self.session.request = self._request

    def _request(self, method: str, url: str, **options: Any) -> Any:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if self.url and (host == "yahoo.com" or host.endswith(".yahoo.com")):
            options["headers"] = {**(options.get("headers") or {}), "X-Replay-Host": host}
            url = self.url.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")
        if "/finance/chart/" not in parts.path:
            return self._send(method, url, **options)
        self.answer = None
        self.answer = self._send(method, url, **options)
        if self.answer.status_code == 404 or self.answer.status_code >= 500:
            # yfinance would ask again with another cookie, which cannot help here: five requests for one.
            self.answer.raise_for_status()
        return self.answer


@cache
def _line(url: str | None) -> _Line:
    _prepare()
    return _Line(url)


@cache
def _prepare() -> None:
    """Set yfinance up, once a process: real exceptions, no words of its own, a cache folder that can be written."""
    yf.config.debug.hide_exceptions = False
    logging.getLogger("yfinance").setLevel(logging.CRITICAL + 1)  # every failure is in an Answer
    # yfinance turns its own on: one line for each call of pandas that pandas 4 will refuse.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="yfinance")
    # Lambda's HOME is read-only. A folder of its own for each process: yfinance replaces its stored cookie by a DELETE
    # and an INSERT, of which one raises when two processes do it at once, and unpickles what it finds there, so nobody
    # else may write to it.
    folder = tempfile.mkdtemp(prefix="stockstream-yfinance-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    yf.set_tz_cache_location(folder)


def _failure(code: str, error: Exception, answer: Any, timeout: float) -> SourceError | None:
    """Say in words what Yahoo answered; None where the answer was "no rows in that window".

    yfinance guesses ("possibly delisted") where it does not know; `answer`, the response itself, does not.
    """
    if isinstance(error, YFRateLimitError):
        return RateLimited("Yahoo refuses to answer (HTTP 429, too many requests)")
    if answer is None:
        if not isinstance(error, OSError):
            return SourceError(f"yfinance failed before it asked: {error!r}")
        kind = type(error).__name__
        if "Timeout" in kind:
            return _UnreachableError(f"Yahoo did not answer within {timeout:g} s")
        return _UnreachableError(f"the connection to Yahoo failed ({kind})")

    status = answer.status_code
    if status >= 500:
        return _PassingError(f"Yahoo answered HTTP {status}")
    if "Will be right back" in answer.text:
        return _PassingError('Yahoo says that it is down ("Will be right back")')
    try:
        body = answer.json()
    except ValueError:
        body = None
        if status < 400:
            return _PassingError("Yahoo's answer is not JSON" if answer.text.strip() else "Yahoo's answer is empty")

    problem = _yahoos_error(body)
    description = problem.get("description") or ""
    if problem.get("code") == "Not Found":
        return SourceError(f"Yahoo knows no symbol {code} ({status})")
    if description.startswith("Data doesn't exist for startDate"):
        return None
    if status >= 400 or description:
        return SourceError(f"Yahoo answered HTTP {status}" + (f": {description}" if description else ""))
    if isinstance(error, YFPricesMissingError):
        chart = body.get("chart") if isinstance(body, dict) else None
        # A chart of the symbol without quotes says "no rows"; no chart at all is no answer.
        return None if chart and chart.get("result") else SourceError("Yahoo's answer holds no chart")
    # The texts of yfinance's own exceptions are guesses; those of others tell what is wrong with the answer.
    detail = type(error).__name__ if isinstance(error, YFException) else repr(error)
    return SourceError(f"Yahoo's answer is no chart that can be read ({detail})")


def _yahoos_error(body: Any) -> dict[str, str]:
    """Find the error, `code` and `description`, in {"chart" or "finance": {"error": …}}; empty where there is none."""
    parts = body.values() if isinstance(body, dict) else ()
    errors = (part.get("error") for part in parts if isinstance(part, dict))
    return next(({k: str(v) for k, v in error.items()} for error in errors if isinstance(error, dict)), {})
