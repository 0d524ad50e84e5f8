"""Yahoo's chart API through yfinance: one request at a time, and what Yahoo answered in words."""

from __future__ import annotations

import atexit
import copy
import logging
import shutil
import tempfile
import warnings
from datetime import date, timedelta
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

import yfinance as yf
from pandas import DataFrame
from yfinance._http import new_session
from yfinance.data import YfData
from yfinance.exceptions import YFException, YFPricesMissingError, YFRateLimitError

from stockstream.pipeline.errors import RateLimited, SourceError
from stockstream.pipeline.yahoo_events import number_of, readable_events

_ONE_AT_A_TIME = Lock()
"""yfinance keeps one session, one crumb and unguarded dictionaries per process: it is not thread-safe."""


class TransientError(SourceError):
    """A failure that the next attempt may not meet."""


class UnreachableError(TransientError):
    """No answer came at all."""


def history(
    code: str, start: date, end: date, timezone: str, timeout: float, url: str | None
) -> tuple[DataFrame, dict[str, Any]] | None:
    """Return yfinance's daily bars of Yahoo's `code` from `start` to `end`, both included; None if there are none.

    With them comes the chart itself, as Yahoo sent it: yfinance drops the currency of a dividend and text in a price.

    The frame has one row per session, indexed by its midnight in `timezone`, and the columns Open, High, Low, Close,
    Adj Close, Volume, Dividends, Stock Splits. `timeout` is in seconds; `url` replaces Yahoo's address.

    Raises:
        RateLimited: HTTP 429.
        TransientError: a failure that another attempt may not meet.
        SourceError: any other failure, in words.
    """
    with _ONE_AT_A_TIME:
        recorder = _recorder(url)
        recorder.answer, recorder.chart = None, {}
        # yfinance caches the answers to past ranges, failures too: a retry would get the same failure again, and the
        # next day's run in a warm Lambda environment yesterday's rows.
        YfData.cache_get.cache_clear()
        try:
            ticker = yf.Ticker(quote(code, safe="^="), session=recorder.session)
            ticker._tz = timezone  # else yfinance requests it from Yahoo first: twice the requests
            frame = ticker.history(
                start=start,
                end=end + timedelta(days=1),  # exclusive
                interval="1d",
                auto_adjust=False,
                actions=True,
                keepna=True,
                repair=False,
                timeout=timeout,
            )
            return frame, recorder.chart
        # yfinance does not catch what its HTTP client, JSON and pandas raise; one symbol must not stop the batch.
        except Exception as error:
            failure = _failure(code, error, recorder.answer, timeout)
            if failure is None:
                return None
            raise failure from error


class _Recorder:
    """yfinance's own HTTP session, which records the last answer: yfinance's exceptions do not say what it was.

    There is one per process and address, as yfinance keeps one crumb per process, which is valid only with the cookies
    of its session.
    """

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.session = new_session()
        self.answer: Any = None
        """The last response to a request for bars; None if there is none."""
        self.chart: dict[str, Any] = {}
        """The chart of that response as Yahoo sent it."""
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
            # yfinance would try again with another cookie, which cannot help here: five requests instead of one.
            self.answer.raise_for_status()
        self._blank_unread()
        return self.answer

    def _blank_unread(self) -> None:
        """Make prices that are no finite numbers null for yfinance, and leave out events that cannot be read.

        It refuses a whole answer with text in place of a number.
        """
        try:
            body = self.answer.json()
            (self.chart,) = body["chart"]["result"]
            answer = copy.deepcopy(body)
            indicators = answer["chart"]["result"][0]["indicators"]
            for block in (*indicators.get("quote", ()), *indicators.get("adjclose", ())):
                block.update({name: [number_of(name, value) for value in values] for name, values in block.items()})
            if "events" in self.chart:
                answer["chart"]["result"][0]["events"] = readable_events(self.chart)
        except (AttributeError, KeyError, TypeError, ValueError):
            return  # not a chart: what is wrong with the answer is the caller's to say
        self.answer.json = lambda **_: answer


@cache
def _recorder(url: str | None) -> _Recorder:
    _configure_yfinance()
    return _Recorder(url)


@cache
def _configure_yfinance() -> None:
    """Configure yfinance, once per process: real exceptions, no log lines, a writable cache folder."""
    yf.config.debug.hide_exceptions = False
    logging.getLogger("yfinance").setLevel(logging.CRITICAL + 1)  # every failure is in an Answer
    # yfinance enables its own deprecation warnings: one line per call that pandas 4 will refuse.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="yfinance")
    # Lambda's HOME is read-only. Each process has a folder of its own: yfinance replaces its stored cookie by a DELETE
    # and an INSERT, one of which raises if two processes do it at once. It also unpickles the file, so that no one else
    # may write to the folder.
    folder = tempfile.mkdtemp(prefix="stockstream-yfinance-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    yf.set_tz_cache_location(folder)


def _failure(code: str, error: Exception, answer: Any, timeout: float) -> SourceError | None:
    """Return what Yahoo answered as an error with a message; None if the answer was "no rows in that window".

    yfinance guesses ("possibly delisted"); `answer`, the response itself, does not.
    """
    if isinstance(error, YFRateLimitError):
        return RateLimited("Yahoo refuses to answer (HTTP 429, too many requests)")
    if answer is None:
        if not isinstance(error, OSError):
            return SourceError(f"yfinance failed before it sent a request: {error!r}")
        kind = type(error).__name__
        if "Timeout" in kind:
            return UnreachableError(f"Yahoo did not answer within {timeout:g} s")
        return UnreachableError(f"the connection to Yahoo failed ({kind})")

    status = answer.status_code
    if status >= 500:
        return TransientError(f"Yahoo answered HTTP {status}")
    if "Will be right back" in answer.text:
        return TransientError('Yahoo says that it is down ("Will be right back")')
    try:
        body = answer.json()
    except ValueError:
        body = None
        if status < 400:
            return TransientError("Yahoo's answer is not JSON" if answer.text.strip() else "Yahoo's answer is empty")

    problem = _error_in(body)
    description = problem.get("description") or ""
    if problem.get("code") == "Not Found":
        return SourceError(f"Yahoo knows no symbol {code} ({status})")
    if description.startswith("Data doesn't exist for startDate"):
        return None
    if status >= 400 or description:
        return SourceError(f"Yahoo answered HTTP {status}" + (f": {description}" if description else ""))
    if isinstance(error, YFPricesMissingError):
        chart = body.get("chart") if isinstance(body, dict) else None
        # A chart of the symbol without quotes means "no rows"; without a chart, it is not an answer.
        return None if chart and chart.get("result") else SourceError("Yahoo's answer holds no chart")
    # The texts of yfinance's own exceptions are guesses; those of others say what is wrong with the answer.
    detail = type(error).__name__ if isinstance(error, YFException) else repr(error)
    return SourceError(f"Yahoo's answer is no chart that can be read ({detail})")


def _error_in(body: Any) -> dict[str, str]:
    """Return the `code` and `description` of {"chart" or "finance": {"error": …}}; empty if there is no error."""
    parts = body.values() if isinstance(body, dict) else ()
    errors = (part.get("error") for part in parts if isinstance(part, dict))
    return next(({k: str(v) for k, v in error.items()} for error in errors if isinstance(error, dict)), {})
