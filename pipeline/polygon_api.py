"""Polygon's REST API: one HTTP session with the key, the plan's rate limit, retries and paging."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterator
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests_ratelimiter import LimiterSession
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import RateLimited, SourceError, UsageError
from stockstream.pipeline.retries import retry_after
from stockstream.pipeline.symbols import fault

TIMEOUT = (10, 60)
"""Maximum seconds to connect, and maximum seconds without a byte."""
GOOD = ("OK", "DELAYED")
"""Values of `status` in a usable answer; plans without real-time data get DELAYED."""


class KeyRefusedError(SourceError):
    """The key is wrong or its plan does not include the request: no other call will succeed."""


class EmptyAnswerError(SourceError):
    """An answer without results where there must be some."""


class _TransientError(Exception):
    """A refusal that is worth a retry: the error for the last attempt, and the seconds that the server requests."""

    def __init__(self, error: SourceError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


class PolygonApi:
    """A client that returns the pages of an endpoint as text. Threads may share it; all calls count to one rate.

    The key is sent in the Authorization header only, and to `url` only: of a `next_url`, the path and the query are
    used, so that a proxy or replay at `url` serves every page. `wait` and `wait_max` are in seconds.

    Raises:
        UsageError: the key has characters that no header can carry.
    """

    def __init__(
        self, api_key: str, url: str, calls_per_minute: int, attempts: int, wait: float, wait_max: float
    ) -> None:
        # Checked here because the message of http.client would quote the key.
        if not api_key or not all("!" <= c <= "~" for c in api_key):
            raise UsageError("POLYGON_API_KEY is not a key: it is empty or has a blank or a character outside ASCII")
        self._key = api_key
        self.url = url.rstrip("/")
        # By itself, the limiter would block every thread for a minute after a 429; the retries below read Retry-After.
        self._session = LimiterSession(per_minute=calls_per_minute, limit_statuses=())
        self._session.auth = self._sign  # not a default header: requests would let a ~/.netrc entry replace it
        self._wait_max = wait_max
        self._backoff = wait_exponential(multiplier=wait, max=wait_max) + wait_random(0, wait)
        self._retrying = Retrying(
            stop=stop_after_attempt(attempts),
            wait=self._pause,
            retry=retry_if_exception_type(_TransientError),
            reraise=True,
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return a client with the key, the rate limit and the retries of the settings.

        Raises:
            UsageError: there is no key.
        """
        if settings.polygon_key is None:
            raise UsageError("set POLYGON_API_KEY in the environment: --source polygon needs the key")
        return cls(
            settings.polygon_key.text.strip(),
            settings.polygon_host(settings.polygon_url),
            settings.polygon_calls_per_minute,
            settings.retry_attempts,
            settings.retry_wait,
            settings.retry_wait_max,
        )

    def pages(self, path: str, **params: str | int) -> Iterator[str]:
        """Yield the text of each page: a JSON object of good status whose `results` are a list or missing.

        Raises:
            KeyRefusedError: HTTP 401 or 403.
            RateLimited: HTTP 429 after the last attempt.
            SourceError: any other answer; HTTP 5xx and lost connections after the last attempt.
        """
        url = self.url + path
        query: dict[str, str | int] | None = params
        visited = set()
        while url not in visited:
            visited.add(url)
            text = self._get(url, path, query)
            body = self._checked(text, path)
            yield text
            if not body.get("next_url"):
                return
            following = urlsplit(str(body["next_url"]))
            url, query = f"{self.url}{following.path}?{following.query}", None
        raise SourceError(f"polygon {path}: next_url leads back to an earlier page")

    def tickers_of(self, path: str, **params: str | int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Yield the text of each page of a list of tickers, and its rows, each with a ticker that can be a symbol.

        Raises:
            SourceError: as `pages`, or a row has no such ticker.
        """
        for text in self.pages(path, **params):
            rows = json.loads(text).get("results") or []
            for row in rows:
                ticker = row.get("ticker") if isinstance(row, dict) else None
                if not isinstance(ticker, str) or not ticker:
                    raise SourceError("polygon's list of tickers has a row without a ticker")
                if reason := fault(ticker):
                    raise SourceError(f"polygon's list of tickers has {reprlib.repr(ticker)}, no symbol: {reason}")
            yield text, rows

    def page_with_rows(self, path: str, **params: str | int) -> str:
        """Return the text of the first page; without results it is requested again, as after a failure of the server.

        Raises:
            EmptyAnswerError: no results after the last attempt.
            SourceError: as `pages`.
        """

        def attempt() -> str:
            text = self._request(self.url + path, path, params)
            if not self._checked(text, path).get("results"):
                raise _TransientError(EmptyAnswerError(f"polygon {path}: the answer for a session is empty"))
            return text

        return self._retried(attempt)

    def _get(self, url: str, path: str, params: dict[str, str | int] | None) -> str:
        return self._retried(lambda: self._request(url, path, params))

    def _retried(self, attempt: Callable[[], str]) -> str:
        try:
            return self._retrying(attempt)
        except _TransientError as last:
            raise last.error from None

    def _request(self, url: str, path: str, params: dict[str, str | int] | None) -> str:
        """Send one request and return the text of the answer."""
        try:
            response = self._session.get(url, params=params, timeout=TIMEOUT)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise _TransientError(SourceError(f"polygon {path}: no answer ({type(error).__name__})")) from None
        except requests.RequestException as error:
            raise SourceError(f"polygon {path}: the request failed ({type(error).__name__})") from None
        status = response.status_code
        if status == 200:
            try:
                return response.content.decode()
            except UnicodeDecodeError:
                raise SourceError(f"polygon {path}: the answer is not UTF-8 text") from None
        reason = f"HTTP {status}: {self._reason(response)}"
        if status in (401, 403):
            raise KeyRefusedError(f"polygon refused the key, or its plan does not include {path} ({reason})")
        if status == 429:
            raise _TransientError(RateLimited(f"polygon {path}: {reason}"), retry_after(response.headers))
        if status >= 500:
            raise _TransientError(SourceError(f"polygon {path}: {reason}"), retry_after(response.headers))
        raise SourceError(f"polygon {path}: {reason}")

    def _checked(self, text: str, path: str) -> dict[str, Any]:
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            raise SourceError(f"polygon {path}: the answer is malformed JSON") from None
        if not isinstance(body, dict) or not isinstance(body.get("results") or [], list):
            raise SourceError(f"polygon {path}: the answer has not the documented shape")
        if body.get("status") not in GOOD:
            reason = self._one_line(body.get("error") or body.get("message") or "no reason given")
            raise SourceError(f"polygon {path}: status {self._one_line(body.get('status'))}: {reason}")
        return body

    def _reason(self, response: requests.Response) -> str:
        """Return the vendor's own reason for a refusal."""
        try:
            body = response.json()
            return self._one_line(body.get("error") or body.get("message") or response.reason)
        except (ValueError, AttributeError, RecursionError):
            return self._one_line(response.reason)

    def _one_line(self, text: object) -> str:
        """Return a server's text as one short line for a log, without the key, which the server may repeat."""
        return " ".join(str(text).replace(self._key, "***").split())[:200]

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _pause(self, state: RetryCallState) -> float:
        """Return the seconds before the next attempt: as the server requests, else exponential with jitter; bounded."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _TransientError) and error.after is not None:
            return min(error.after, self._wait_max)
        return min(self._backoff(state), self._wait_max)
