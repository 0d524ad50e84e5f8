"""A lake behind `stockstream serve`: the rows of its HTTP interface as polars frames."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from stockstream.analytics.arguments import range_of, symbols_of, text_of, texts_of
from stockstream.sql.errors import StockStreamError, UsageError

if TYPE_CHECKING:
    import polars as pl

ARROW = "application/vnd.apache.arrow.stream"
PAGE = 10_000
"""Rows per request."""
Day = date | str | None


class RemoteError(StockStreamError):
    """The server cannot be reached, or it refuses."""


class Remote:
    """The lake at an address, such as `http://127.0.0.1:8000`; `key` is that of `stockstream serve --new-key`.

    A frame is of one generation: all of its pages are.

    Raises:
        UsageError: a symbol, indicator or argument is unknown to the server.
        RemoteError: the server cannot be reached, or it refuses.
    """

    def __init__(self, url: str, key: str | None = None, timeout: float = 60.0) -> None:
        self._url, self._timeout = text_of("url", url).rstrip("/"), timeout
        self._session = requests.Session()
        self._session.headers["Accept"] = ARROW
        if key is not None:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def bars(
        self,
        symbols: Iterable[str] | str | None = None,
        start: Day = None,
        end: Day = None,
        timeframe: str = "1d",
        adjustment: str = "split",
    ) -> pl.DataFrame:
        """Return bars, sorted by symbol and date: of some symbols, or of all."""
        names = None if symbols is None else ",".join(f'"{name}"' for name in symbols_of(symbols))
        return self._rows("bars", start, end, symbols=names, timeframe=timeframe, adjustment=adjustment)

    def indicators(
        self, symbol: str, names: Iterable[str] | str, start: Day = None, end: Day = None, adjustment: str = "split"
    ) -> pl.DataFrame:
        """Return indicators of a symbol by their names, as in `["rsi_14", "macd"]`."""
        listed = ",".join(texts_of("names", names))
        return self._rows(f"indicators/{quote(symbol, safe='')}", start, end, names=listed, adjustment=adjustment)

    def _rows(self, path: str, start: Day, end: Day, **parameters: str | None) -> pl.DataFrame:
        import polars as pl

        first, last = range_of(start, end)
        query: dict[str, Any] = {**parameters, "start": first, "end": last, "limit": PAGE}
        frames = []
        while True:
            answer = self._get(path, query)
            frames.append(pl.read_ipc_stream(io.BytesIO(answer.content)))
            query["page_token"] = answer.headers.get("X-Next-Page-Token")
            if query["page_token"] is None:
                return pl.concat(frames, rechunk=True)

    def _get(self, path: str, query: dict[str, Any]) -> requests.Response:
        try:
            answer = self._session.get(f"{self._url}/v1/{path}", params=query, timeout=self._timeout)
        except requests.RequestException as error:
            raise RemoteError(f"{self._url} cannot be reached: {error.__class__.__name__}") from None
        if answer.ok:
            return answer
        is_problem = answer.headers.get("Content-Type") == "application/problem+json"
        detail = answer.json()["detail"] if is_problem else f"it answered {answer.status_code} {answer.reason}"
        raise (UsageError if answer.status_code in (404, 422) else RemoteError)(f"{self._url}: {detail}")


def remote(url: str, key: str | None = None) -> Remote:
    """Return the lake behind a server of `stockstream serve`; see `Remote`."""
    return Remote(url, key)
