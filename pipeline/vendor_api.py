"""A vendor's HTTP API: one session with the key, the plan's rate limit, retries, and what a refusal means."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

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
from stockstream.pipeline.retries import retry_after
from stockstream.pipeline.setting_fields import Secret

Sign = Callable[[requests.PreparedRequest], requests.PreparedRequest]
"""Adds the key to a request."""
TIMEOUT = (10, 60)
"""Maximum seconds to connect, and maximum seconds without a byte."""
MAX_UNREACHABLE = 3
"""After this number of requests in a row without any answer, each tried several times, there is no connection."""


class KeyRefusedError(SourceError):
    """The key is wrong or its plan does not include the request: no other call will succeed."""


class UnreachableError(SourceError):
    """No answer came at all."""


class BadRequestError(SourceError):
    """HTTP 400 or 422: the vendor refuses this request; of several symbols in it, one may be the reason."""


class QuotaUsedUpError(RateLimited):
    """The calls of the hour, day or month are used up: waiting for a minute does not help."""


class TransientError(Exception):
    """A refusal that is worth a retry: the error for the last attempt, and the seconds that the server requests."""

    def __init__(self, error: SourceError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


def checked_key(secret: Secret | None, variable: str, source: str) -> str:
    """Return the text of a key.

    Raises:
        UsageError: there is none, or it has characters that no request can carry.
    """
    if secret is None:
        raise UsageError(f"set {variable} in the environment: --source {source} needs the key")
    # Checked here because the message of http.client would quote the key.
    if not (key := secret.text.strip()) or not all("!" <= c <= "~" for c in key):
        raise UsageError(f"{variable} is not a key: it is empty or has a blank or a character outside ASCII")
    return key


def in_headers(headers: Mapping[str, str]) -> Sign:
    """Return what adds headers with a key to a request."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(headers)
        return request

    return sign


def in_query(name: str, key: str) -> Sign:
    """Return what adds a key to the query of a request."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.prepare_url(request.url, {name: key})
        return request

    return sign


class VendorApi:
    """A client that returns answers as text. Threads may share it; all calls count to one rate.

    No message and no log line has one of the `keys`. Redirections are not followed: they would carry the key elsewhere.
    After a quota is used up, or if there is no connection, every call raises that error without a request.

    Args:
        vendor: The name of the source, which begins every message.
        url: Address of the API, to which the paths are appended.
        keys: What must not appear in a message or a log line.
        sign: Adds the keys to a request.
        calls_per_minute: Limit of the plan.
        attempts: Maximum number of attempts per request.
        wait, wait_max: Seconds before the second attempt, and at most between two.
        quota: Pattern of what an answer has, of whatever status, if the quota is used up.
    """

    def __init__(
        self,
        vendor: str,
        url: str,
        keys: Sequence[str],
        sign: Sign,
        calls_per_minute: int,
        attempts: int,
        wait: float,
        wait_max: float,
        quota: str = "(?!)",
    ) -> None:
        self.vendor = vendor
        self.url = url.rstrip("/")
        self._quota = re.compile(quota, re.IGNORECASE)
        # As they stand in a URL, too.
        self._keys = sorted({*keys, *(quote(key, safe="") for key in keys)}, key=len, reverse=True)
        # By itself, the limiter would block every thread for a minute after a 429; the retries below read Retry-After.
        self._session = LimiterSession(per_minute=calls_per_minute, limit_statuses=())
        self._session.auth = sign  # not a default header: requests would let a ~/.netrc entry replace it
        # At level DEBUG, urllib3 logs the path and query of every request.
        logging.getLogger("urllib3.connectionpool").addFilter(self._without_keys)
        self._wait_max = wait_max
        self._backoff = wait_exponential(multiplier=wait, max=wait_max) + wait_random(0, wait)
        self._retrying = Retrying(
            stop=stop_after_attempt(attempts),
            wait=self._pause,
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        self._gave_up: SourceError | None = None
        self._unreachable = 0

    def text(self, path: str, **params: str | int) -> str:
        """Return the text of the answer to a request.

        Raises:
            KeyRefusedError: HTTP 401 or 403.
            QuotaUsedUpError: the answer says so, with whatever status.
            RateLimited: HTTP 429 after the last attempt.
            SourceError: any other answer; HTTP 5xx and lost connections after the last attempt.
        """
        return self.get(self.url + path, path, params)

    def get(self, url: str, path: str, params: dict[str, str | int] | None) -> str:
        """Return the text of the answer to a request to any URL of the vendor, which messages call `path`.

        Raises:
            SourceError: as `text`.
        """
        return self.retried(lambda: self.request(url, path, params))

    def rows(self, path: str, **params: str | int) -> list[dict[str, Any]]:
        """Return the objects of an answer that is a JSON list; their numbers are texts, as they came.

        Raises:
            SourceError: as `text`; the answer is no such list.
        """
        rows = self.parsed(self.text(path, **params), path)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SourceError(f"{self.vendor} {path}: the answer has not the documented shape")
        return rows

    def parsed(self, text: str, path: str) -> Any:
        """Return an answer in JSON with numbers as texts: 0.10 stays 0.10, and NaN is a text that is no number.

        Raises:
            SourceError: it is not JSON.
        """
        try:
            return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            raise SourceError(f"{self.vendor} {path}: {self.described(text)} is malformed JSON") from None

    def described(self, text: str) -> str:
        """Return what a message calls an answer of another shape than documented, with its beginning."""
        start = text.lstrip("\ufeff \t\r\n")
        if not start:
            return "the answer is empty, which"
        return f"{'an HTML page' if start.startswith('<') else 'the answer'} ({self.one_line(start)[:60]})"

    def retried(self, attempt: Callable[[], str]) -> str:
        """Return what an attempt returns, after as many as the settings allow while it raises a TransientError."""
        if self._gave_up:
            raise self._gave_up
        try:
            text = self._retrying(attempt)
        except TransientError as last:
            self._unreachable = self._unreachable + 1 if isinstance(last.error, UnreachableError) else 0
            if self._unreachable >= MAX_UNREACHABLE:
                self._gave_up = UnreachableError(f"{self.vendor} cannot be reached: is there a network?")
            raise last.error from None
        except QuotaUsedUpError as error:
            self._gave_up = error
            raise
        self._unreachable = 0
        return text

    def request(self, url: str, path: str, params: dict[str, str | int] | None) -> str:
        """Send one request and return the text of the answer; `path` names it in messages.

        Raises:
            TransientError: another attempt may succeed.
            SourceError: as `text`.
        """
        where = f"{self.vendor} {path}"
        try:
            response = self._session.get(url, params=params, timeout=TIMEOUT, allow_redirects=False)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise TransientError(UnreachableError(f"{where}: no answer ({type(error).__name__})")) from None
        except requests.RequestException as error:
            raise SourceError(f"{where}: the request failed ({type(error).__name__})") from None
        status = response.status_code
        try:
            text = response.content.decode()
        except UnicodeDecodeError:
            text = None
        if text and self._quota.search(text[:2000]):
            raise QuotaUsedUpError(f"{self.vendor}: the quota is used up ({self._reason(response)})")
        if status == 200:
            if text is None:
                raise SourceError(f"{where}: the answer is not UTF-8 text")
            return text
        reason = f"HTTP {status}: {self._reason(response)}"
        if status in (401, 403):
            raise KeyRefusedError(f"{self.vendor} refused the key, or its plan does not include {path} ({reason})")
        if status == 429:
            raise TransientError(RateLimited(f"{where}: {reason}"), retry_after(response.headers))
        if status >= 500:
            raise TransientError(SourceError(f"{where}: {reason}"), retry_after(response.headers))
        raise (BadRequestError if status in (400, 422) else SourceError)(f"{where}: {reason}")

    def one_line(self, text: object) -> str:
        """Return a server's text as one short line for a log, without the keys, which the server may repeat."""
        line = str(text)
        for key in self._keys:
            line = line.replace(key, "***")
        return " ".join(line.split())[:200]

    def _reason(self, response: requests.Response) -> str:
        """Return the vendor's own reason for a refusal: a field of a JSON object, or a short text."""
        try:
            body = response.json()
            return self.one_line(next(filter(None, map(body.get, ("error", "message", "detail"))), response.reason))
        except (ValueError, AttributeError, RecursionError):
            text = response.text.strip()
            return self.one_line(text if text and text[0] not in "<[{" else response.reason)

    def _without_keys(self, record: logging.LogRecord) -> bool:
        """Replace the keys in a record of the HTTP library."""
        message = record.getMessage()
        if any(key in message for key in self._keys):
            for key in self._keys:
                message = message.replace(key, "***")
            record.msg, record.args = message, ()
        return True

    def _pause(self, state: RetryCallState) -> float:
        """Return the seconds before the next attempt: as the server requests, else exponential with jitter; bounded."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TransientError) and error.after is not None:
            return min(error.after, self._wait_max)
        return min(self._backoff(state), self._wait_max)
