"""Thirteen years of real bars of five companies, from the PyPI package bokeh-sampledata: no network needed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.listings.base import Listing, ListingsSource
from stockstream.pipeline.market import Market
from stockstream.pipeline.sources.files import FilesSource

COMPANIES = {
    "AAPL": ("Apple Inc.", "Technology Hardware & Equipment"),
    "FB": ("Facebook, Inc.", "Media & Entertainment"),
    "GOOG": ("Google Inc.", "Media & Entertainment"),
    "IBM": ("International Business Machines Corporation", "Software & Services"),
    "MSFT": ("Microsoft Corporation", "Software & Services"),
}


class DemoSource(FilesSource):
    """The package's daily bars, 2000-03-01 to 2013-03-01, prices as traded; actions told from the adjusted close."""

    name = "demo"
    batch_size = 2

    def __init__(self, market: Market) -> None:
        # Found, not imported: importing the package reads every data set that it has.
        package = importlib.util.find_spec("bokeh_sampledata")
        if package is None or package.origin is None:
            raise UsageError("--source demo needs real bars: pip install 'stock-stream[demo]'")
        path = Path(package.origin).parent / "_data" / "stocks.csv.gz"
        super().__init__(str(path), market, prices="as-traded", derive_actions=True)

    def listings(self) -> ListingsSource:
        """Give the companies by name."""
        return _DemoListings()


class _DemoListings:
    name = "demo"

    def companies(self) -> list[Listing]:
        return [Listing(symbol, name, sector) for symbol, (name, sector) in COMPANIES.items()]
