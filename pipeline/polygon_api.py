"""Polygon's REST API: one session with the key, the plan's rate, the retries and the paging."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
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

from stockstream.pipeline.errors import RateLimited, SourceError, UsageError

TIMEOUT = (10, 60)
"""Seconds to connect, and seconds without a byte."""
GOOD = ("OK", "DELAYED")
"""What `status` says of a usable answer; plans without real-time data get DELAYED."""


class KeyRefusedError(SourceError):
    """The key is wrong or its plan does not include what was asked: no other call will do better."""


class _TransientError(Exception):
    """A refusal worth another try: what to say if it was the last one, and the seconds that the server asks for."""

    def __init__(self, error: SourceError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


class PolygonApi:
    """Give the pages of an endpoint as the text that came. Threads may share one client; all count to one rate.

    The key is in the Authorization header only, and goes to `url` only: of a `next_url` the path and query are used, so
    that a proxy or replay under `url` serves every page. `wait` and `wait_max` are seconds.

    Raises:
        UsageError: the key has characters that no header can carry.
    """

    def __init__(
        self, api_key: str, url: str, calls_per_minute: int, attempts: int, wait: float, wait_max: float
    ) -> None:
        # Said here because http.client would say it with the key in the message.
        if not api_key or not all("!" <= c <= "~" for c in api_key):
            raise UsageError("POLYGON_API_KEY is not a key: it is empty or has a blank or a character outside ASCII")
        self._key = api_key
        self._url = url.rstrip("/")
        # On a 429 the limiter would by itself hold every thread for a minute; the retries below know Retry-After.
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

    def pages(self, path: str, **params: str | int) -> Iterator[str]:
        """Give the text of each page: valid JSON, an object of good status whose `results` are a list or missing.

        Raises:
            KeyRefusedError: HTTP 401 or 403.
            RateLimited: HTTP 429 after the last try.
            SourceError: anything else that is no such page, HTTP 5xx and lost connections after the last try.
        """
        url = self._url + path
        query: dict[str, str | int] | None = params
        seen = set()
        while url not in seen:
            seen.add(url)
            text = self._get(url, path, query)
            body = self._checked(text, path)
            yield text
            if not body.get("next_url"):
                return
            following = urlsplit(str(body["next_url"]))
            url, query = f"{self._url}{following.path}?{following.query}", None
        raise SourceError(f"polygon {path}: next_url leads to a page given before")

    def _get(self, url: str, path: str, params: dict[str, str | int] | None) -> str:
        try:
            return self._retrying(self._ask, url, path, params)
        except _TransientError as last:
            raise last.error from None

    def _ask(self, url: str, path: str, params: dict[str, str | int] | None) -> str:
        """Ask once."""
        try:
            response = self._session.get(url, params=params, timeout=TIMEOUT)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise _TransientError(SourceError(f"polygon {path}: no answer ({type(error).__name__})")) from None
        except requests.RequestException as error:
            raise SourceError(f"polygon {path}: cannot be asked ({type(error).__name__})") from None
        status = response.status_code
        if status == 200:
            try:
                return response.content.decode()
            except UnicodeDecodeError:
                raise SourceError(f"polygon {path}: the answer is not UTF-8 text") from None
        said = f"HTTP {status}: {self._words(response)}"
        if status in (401, 403):
            raise KeyRefusedError(f"polygon refused the key, or its plan does not include {path} ({said})")
        if status == 429:
            raise _TransientError(RateLimited(f"polygon {path}: {said}"), _retry_after(response))
        if status >= 500:
            raise _TransientError(SourceError(f"polygon {path}: {said}"), _retry_after(response))
        raise SourceError(f"polygon {path}: {said}")

    def _checked(self, text: str, path: str) -> dict[str, Any]:
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            raise SourceError(f"polygon {path}: the answer is malformed JSON") from None
        if not isinstance(body, dict) or not isinstance(body.get("results") or [], list):
            raise SourceError(f"polygon {path}: the answer has not the documented shape")
        if body.get("status") not in GOOD:
            said = self._one_line(body.get("error") or body.get("message") or "no reason given")
            raise SourceError(f"polygon {path}: status {self._one_line(body.get('status'))}: {said}")
        return body

    def _words(self, response: requests.Response) -> str:
        """Give the vendor's own words for a refusal."""
        try:
            body = response.json()
            return self._one_line(body.get("error") or body.get("message") or response.reason)
        except (ValueError, AttributeError, RecursionError):
            return self._one_line(response.reason)

    def _one_line(self, words: object) -> str:
        """Make what a server said fit for a log: one short line, without the key should it be repeated there."""
        return " ".join(str(words).replace(self._key, "***").split())[:200]

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _pause(self, state: RetryCallState) -> float:
        """Seconds before the next try: what the server asks for, else jittered exponential; never over the most."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _TransientError) and error.after is not None:
            return min(error.after, self._wait_max)
        return min(self._backoff(state), self._wait_max)


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that a Retry-After header asks for (it gives seconds or a date); None without a usable one."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
