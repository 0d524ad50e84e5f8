"""The active tickers of the US market, as Polygon lists them."""

from __future__ import annotations

from stockstream.pipeline.errors import ListingsRefused, SourceError
from stockstream.pipeline.listings.base import Company
from stockstream.pipeline.polygon_api import PolygonApi


class PolygonListings:
    """Active tickers of shares, ETFs and warrants alike, without sector and market capitalisation."""

    name = "polygon"

    def __init__(self, api: PolygonApi) -> None:
        self._api = api

    def companies(self) -> list[Company]:
        """Return every active ticker, sorted, each once.

        Raises:
            ListingsRefused: Polygon does not answer, or its answer is not a believable list.
        """
        companies: dict[str, Company] = {}
        try:
            for _, rows in self._api.tickers_of("/v3/reference/tickers", market="stocks", active="true", limit=1000):
                for row in rows:
                    companies[row["ticker"]] = Company(row["ticker"], str(row.get("name") or ""))
        except SourceError as error:
            raise ListingsRefused(str(error)) from None
        if not companies:
            raise ListingsRefused("polygon's list of tickers is empty")
        return [companies[symbol] for symbol in sorted(companies)]
