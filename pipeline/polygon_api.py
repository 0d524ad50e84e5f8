"""Polygon's REST API: pages of JSON objects, which have a status of their own."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import urlsplit

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.setting_fields import Secret
from stockstream.pipeline.symbols import fault
from stockstream.pipeline.vendor_api import TransientError, VendorApi, checked_key, in_headers

GOOD = ("OK", "DELAYED")
"""Values of `status` in a usable answer; plans without real-time data get DELAYED."""


class EmptyAnswerError(SourceError):
    """An answer without results where there must be some."""


class PolygonApi(VendorApi):
    """A client that returns the pages of an endpoint as text.

    The key is sent in the Authorization header only, and to `url` only: of a `next_url`, the path and the query are
    used, so that a proxy or replay at `url` serves every page. `wait` and `wait_max` are in seconds.

    Raises:
        UsageError: the key has characters that no header can carry.
    """

    def __init__(
        self, api_key: str, url: str, calls_per_minute: int, attempts: int, wait: float, wait_max: float
    ) -> None:
        key = checked_key(Secret(api_key), "POLYGON_API_KEY", "polygon")
        sign = in_headers({"Authorization": f"Bearer {key}"})
        super().__init__("polygon", url, [key], sign, calls_per_minute, attempts, wait, wait_max)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return a client with the key, the rate limit and the retries of the settings.

        Raises:
            UsageError: there is no key.
        """
        return cls(
            checked_key(settings.polygon_key, "POLYGON_API_KEY", "polygon"),
            settings.polygon_host(settings.polygon_url),
            settings.polygon_calls_per_minute,
            *settings.retries,
        )

    def pages(self, path: str, **params: str | int) -> Iterator[str]:
        """Yield the text of each page: a JSON object of good status whose `results` are a list or missing.

        Raises:
            SourceError: as `VendorApi.text`, or the answer is another one.
        """
        url = self.url + path
        query: dict[str, str | int] | None = params
        visited = set()
        while url not in visited:
            visited.add(url)
            text = self.get(url, path, query)
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
            text = self.request(self.url + path, path, params)
            if not self._checked(text, path).get("results"):
                raise TransientError(EmptyAnswerError(f"polygon {path}: the answer for a session is empty"))
            return text

        return self.retried(attempt)

    def _checked(self, text: str, path: str) -> dict[str, Any]:
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            raise SourceError(f"polygon {path}: the answer is malformed JSON") from None
        if not isinstance(body, dict) or not isinstance(body.get("results") or [], list):
            raise SourceError(f"polygon {path}: the answer has not the documented shape")
        if body.get("status") not in GOOD:
            reason = self.one_line(body.get("error") or body.get("message") or "no reason given")
            raise SourceError(f"polygon {path}: status {self.one_line(body.get('status'))}: {reason}")
        return body
