"""Polygon's reference API: which companies are listed, which were delisted, and which codes a company had."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

from stockstream.pipeline.errors import RateLimited, SourceError
from stockstream.pipeline.polygon_api import GOOD, PolygonApi
from stockstream.pipeline.symbols import fault
from stockstream.pipeline.vendor_api import KeyRefusedError

TICKERS = "/v3/reference/tickers"


@dataclass(frozen=True)
class Page:
    """One answer of Polygon. `answer` is its text; if there is none, `refused` is the reason."""

    path: str
    """Path and query of the request."""
    answer: str | None
    refused: str | None = None
    symbol: str | None = None
    """The symbol that was requested; None for a list."""
    rows: int = 1
    """Number of companies in the answer."""


class PolygonReference(PolygonApi):
    """A client of the reference endpoints. A list is returned completely, or an error is raised."""

    def tickers(self, day: date | None = None) -> list[Page]:
        """Return all tickers of the US stock market that are traded now, or were on a past day.

        Raises:
            SourceError: Polygon does not return all of them.
        """
        return list(self._list(active="true", **({"date": str(day)} if day else {})))

    def delisted(self) -> list[Page]:
        """Return all tickers that are no longer traded, each with its last day.

        Raises:
            SourceError: Polygon does not return all of them.
        """
        return list(self._list(active="false"))

    def codes(self, symbol: str) -> Page:
        """Return the codes that a symbol's company has had, in order; a page without an answer if Polygon has none.

        Raises:
            KeyRefusedError: the key is wrong, or its plan does not include this.
            RateLimited: Polygon still answers 429 after all retries.
        """
        path = f"/vX/reference/tickers/{quote(symbol, safe='')}/events"
        try:
            text = self.get(f"{self.url}{path}", path, {"types": "ticker_change"})
            return Page(path, _company(text, path), symbol=symbol)
        except (KeyRefusedError, RateLimited):
            raise
        except SourceError as error:  # usually 404: Polygon has no code change
            return Page(path, None, str(error), symbol)

    def _list(self, **params: str) -> Iterator[Page]:
        for text, rows in self.tickers_of(TICKERS, market="stocks", limit=1000, **params):
            query = "&".join(f"{name}={value}" for name, value in params.items())
            yield Page(f"{TICKERS}?{query}", text, rows=len(rows))


def _company(text: str, path: str) -> str:
    """Return the text after checking that it is an answer about one company (`results` is an object, not a list).

    Raises:
        SourceError: it is malformed or has another shape.
    """
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise SourceError(f"polygon {path}: the answer is malformed JSON") from None
    if not isinstance(body, dict) or body.get("status") not in GOOD or not isinstance(body.get("results"), dict):
        raise SourceError(f"polygon {path}: the answer has not the documented shape")
    events = body["results"].get("events")
    changes = [event.get("ticker_change") for event in events if isinstance(event, dict)] if events else []
    for code in (str(change.get("ticker") or "-") for change in changes if isinstance(change, dict)):
        if reason := fault(code):
            raise SourceError(f"polygon {path}: {reprlib.repr(code)} is no symbol: {reason}")
    return text
