"""Where lists of companies come from. A new exchange is one file here, and its line in `open_listings`."""

from __future__ import annotations

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.listings.base import Listing, ListingsSource
from stockstream.pipeline.market import Market
from stockstream.pipeline.settings import Settings

__all__ = ["Listing", "ListingsSource", "open_listings"]


def open_listings(market: Market, settings: Settings) -> ListingsSource:
    """Open a market's own list of companies, the exchange's.

    Raises:
        UsageError: the exchange publishes none that we can read.
    """
    if market.name == "ASX":
        from stockstream.pipeline.listings.asx import AsxListings

        return AsxListings.from_settings(settings)
    raise UsageError(f"no public directory of the {market.name} market: name --symbols, or use --source polygon")
