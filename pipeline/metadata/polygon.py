"""What Polygon's reference API says of companies: who is listed, who was delisted, and which codes a company had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

from stockstream.pipeline.errors import RateLimited, SourceError, UsageError
from stockstream.pipeline.polygon_api import GOOD, KeyRefusedError, PolygonApi
from stockstream.pipeline.settings import Settings

TICKERS = "/v3/reference/tickers"


@dataclass(frozen=True)
class Page:
    """One answer: the path that was asked, the text that came or why none did, and the symbol if it is about one."""

    path: str
    answer: str | None
    refused: str | None = None
    symbol: str | None = None
    rows: int = 1
    """How many it tells of."""


class PolygonReference(PolygonApi):
    """The reference endpoints, at the plan's rate; whole lists or none."""

    @classmethod
    def from_settings(cls, settings: Settings) -> PolygonReference:
        """Make the client that the settings ask for.

        Raises:
            UsageError: there is no key.
        """
        if settings.polygon_api_key is None:
            raise UsageError(
                "--source polygon needs POLYGON_API_KEY (environment or .env); --source listings needs no key"
            )
        return cls(
            settings.polygon_api_key.get_secret_value().strip(),
            settings.polygon_url,
            settings.polygon_calls_per_minute,
            settings.retry_attempts,
            settings.retry_wait,
            settings.retry_wait_max,
        )

    def tickers(self, day: date | None = None) -> list[Page]:
        """Give all tickers of the US stock market that are traded now, or were on a past day.

        Raises:
            SourceError: Polygon does not give all of them.
        """
        return list(self._list(active="true", **({"date": str(day)} if day else {})))

    def delisted(self) -> list[Page]:
        """Give all tickers that are no longer traded, each with its last day; errors as `tickers()`."""
        return list(self._list(active="false"))

    def codes(self, symbol: str) -> Page:
        """Give the codes that a symbol's company had in turn.

        Raises:
            KeyRefusedError: the key is wrong, or its plan does not include this.
            RateLimited: Polygon keeps answering 429.
        """
        path = f"/vX/reference/tickers/{quote(symbol, safe='')}/events"
        try:
            text = self._get(f"{self._url}{path}", path, {"types": "ticker_change"})
            return Page(path, _company(text, path), symbol=symbol)
        except (KeyRefusedError, RateLimited):
            raise
        except SourceError as error:  # mostly 404: Polygon knows of no change
            return Page(path, None, str(error), symbol)

    def _list(self, **params: str) -> Iterator[Page]:
        for text in self.pages(TICKERS, market="stocks", limit=1000, **params):
            rows = json.loads(text).get("results") or []
            if not all(isinstance(row, dict) and isinstance(row.get("ticker"), str) and row["ticker"] for row in rows):
                raise SourceError("polygon's list of tickers has a row without a ticker")
            asked = "&".join(f"{name}={value}" for name, value in params.items())
            yield Page(f"{TICKERS}?{asked}", text, rows=len(rows))


def _company(text: str, path: str) -> str:
    """Check that an answer is that about one company; unlike those of `pages()` it is no list."""
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise SourceError(f"polygon {path}: the answer is malformed JSON") from None
    if not isinstance(body, dict) or body.get("status") not in GOOD or not isinstance(body.get("results"), dict):
        raise SourceError(f"polygon {path}: the answer has not the documented shape")
    return text
