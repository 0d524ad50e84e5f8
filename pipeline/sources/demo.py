"""`demo`: real bars of five US companies, 2000 to 2013, from the package bokeh-sampledata; needs no network."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Self

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.listings.base import Company, ListingsSource
from stockstream.pipeline.markets import Market
from stockstream.pipeline.sources.files import FilesSource

COMPANIES = {
    "AAPL": ("Apple Inc.", "Technology Hardware & Equipment"),
    "FB": ("Facebook, Inc.", "Media & Entertainment"),
    "GOOG": ("Google Inc.", "Media & Entertainment"),
    "IBM": ("International Business Machines Corporation", "Software & Services"),
    "MSFT": ("Microsoft Corporation", "Software & Services"),
}


class DemoSource(FilesSource):
    """The package's daily bars, 2000-03-01 to 2013-03-01, prices as traded; actions derived from the adjusted close."""

    name = "demo"
    markets = ("US",)
    batch_size = 2

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source."""
        # Located without an import: importing the package reads every data set in it.
        package = importlib.util.find_spec("bokeh_sampledata")
        assert package is not None
        path = Path(str(package.origin)).parent / "_data" / "stocks.csv.gz"
        return cls(str(path), market, prices="as-traded", derive_actions=True)

    def listings(self) -> ListingsSource:
        """Return the five companies."""
        return _DemoListings()


class _DemoListings:
    name = "demo"

    def companies(self) -> list[Company]:
        return [Company(symbol, name, sector) for symbol, (name, sector) in COMPANIES.items()]
