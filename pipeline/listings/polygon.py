"""The tickers that Polygon says are traded in the US."""

from __future__ import annotations

import json

from stockstream.pipeline.errors import ListingsRefused, SourceError
from stockstream.pipeline.listings.base import Listing
from stockstream.pipeline.polygon_api import PolygonApi


class PolygonListings:
    """Active tickers of the stock market, shares and ETFs and warrants alike; without sector and capitalisation."""

    name = "polygon"

    def __init__(self, api: PolygonApi) -> None:
        self._api = api

    def companies(self) -> list[Listing]:
        """Give every active ticker, sorted, each once.

        Raises:
            ListingsRefused: when Polygon does not answer, or with no believable list.
        """
        found: dict[str, Listing] = {}
        try:
            for page in self._api.pages("/v3/reference/tickers", market="stocks", active="true", limit=1000):
                for row in json.loads(page).get("results") or []:
                    if not isinstance(row, dict) or not isinstance(row.get("ticker"), str) or not row["ticker"]:
                        raise ListingsRefused("polygon's list of tickers has a row without a ticker")
                    found[row["ticker"]] = Listing(row["ticker"], str(row.get("name") or ""))
        except SourceError as error:
            raise ListingsRefused(str(error)) from None
        if not found:
            raise ListingsRefused("polygon's list of tickers is empty")
        return [found[symbol] for symbol in sorted(found)]
