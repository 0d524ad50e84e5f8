"""A lake behind `stockstream serve`: the rows of its HTTP interface as polars frames."""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Iterable
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
        return self._rows("bars", start, end, symbols=_names(symbols), timeframe=timeframe, adjustment=adjustment)

    def indicators(
        self, symbol: str, names: Iterable[str] | str, start: Day = None, end: Day = None, adjustment: str = "split"
    ) -> pl.DataFrame:
        """Return indicators of a symbol by their names, as in `["rsi_14", "macd"]`."""
        listed = ",".join(texts_of("names", names))
        return self._rows(f"indicators/{quote(symbol, safe='')}", start, end, names=listed, adjustment=adjustment)

    def live(self, symbols: Iterable[str] | str | None = None) -> pl.DataFrame:
        """Return the newest live bars, sorted by symbol: of some symbols, or of all; see the view `live`."""
        import polars as pl

        return pl.read_ipc_stream(io.BytesIO(self._get("live", {"symbols": _names(symbols)}).content))

    def stream(
        self, symbols: Iterable[str] | str | None = None, interval: float = 1.0
    ) -> Generator[tuple[str, dict[str, Any]], None, None]:
        """Yield live events as they come: their name (bar, alert, generation, status) and their data.

        `interval` is the least time in seconds between messages, each with the newest state of all bars that have
        changed. Without symbols, only the other events come. It ends with the server, or with an error.
        """
        answer = self._get("stream", {"symbols": _names(symbols), "interval": interval}, stream=True)
        name = ""
        with answer:
            try:
                for line in answer.iter_lines(chunk_size=None):
                    field, _, value = line.decode().partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data":
                        yield name, json.loads(value)
            except requests.RequestException as error:
                raise RemoteError(f"{self._url}: the stream has broken off: {error.__class__.__name__}") from None

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

    def _get(self, path: str, query: dict[str, Any], stream: bool = False) -> requests.Response:
        try:
            answer = self._session.get(f"{self._url}/v1/{path}", params=query, timeout=self._timeout, stream=stream)
        except requests.RequestException as error:
            raise RemoteError(f"{self._url} cannot be reached: {error.__class__.__name__}") from None
        if answer.ok:
            return answer
        is_problem = answer.headers.get("Content-Type") == "application/problem+json"
        detail = answer.json()["detail"] if is_problem else f"it answered {answer.status_code} {answer.reason}"
        raise (UsageError if answer.status_code in (404, 422) else RemoteError)(f"{self._url}: {detail}")


def _names(symbols: Iterable[str] | str | None) -> str | None:
    return None if symbols is None else ",".join(f'"{name}"' for name in symbols_of(symbols))


def remote(url: str, key: str | None = None) -> Remote:
    """Return the lake behind a server of `stockstream serve`; see `Remote`."""
    return Remote(url, key)
