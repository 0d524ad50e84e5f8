"""The tickers that Polygon says are traded in the US."""

from __future__ import annotations

import json

from pipeline.directories.base import Listing
from pipeline.errors import DirectoryRefused, SourceError
from pipeline.polygon_api import PolygonApi


class PolygonDirectory:
    """Active tickers of the stock market, shares and ETFs and warrants alike; without sector and capitalisation."""

    name = "polygon"

    def __init__(self, api: PolygonApi) -> None:
        self._api = api

    def listings(self) -> list[Listing]:
        """Give every active ticker, sorted, each once.

        Raises:
            DirectoryRefused: when Polygon does not answer, or with no believable list.
        """
        found: dict[str, Listing] = {}
        try:
            for page in self._api.pages("/v3/reference/tickers", market="stocks", active="true", limit=1000):
                for row in json.loads(page).get("results") or []:
                    if not isinstance(row, dict) or not isinstance(row.get("ticker"), str) or not row["ticker"]:
                        raise DirectoryRefused("polygon's list of tickers has a row without a ticker")
                    found[row["ticker"]] = Listing(row["ticker"], str(row.get("name") or ""))
        except SourceError as error:
            raise DirectoryRefused(str(error)) from None
        if not found:
            raise DirectoryRefused("polygon's list of tickers is empty")
        return [found[symbol] for symbol in sorted(found)]
