"""Where lists of companies come from: the module named after a market reads its exchange's list.

Installed packages add lists with entry points of the group `stockstream.listings`, named after the market.
"""

from __future__ import annotations

import pkgutil

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.discovery import class_in
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.listings.base import Company, ExchangeListings, ListingsSource
from stockstream.pipeline.markets import Market
from stockstream.sql.plugins import entry_points

__all__ = ["Company", "ListingsSource", "open_listings"]


def open_listings(market: Market, settings: Settings) -> ListingsSource:
    """Return the list of companies that a market's exchange publishes.

    Raises:
        UsageError: there is no module for this market, or that of another package cannot be used.
    """
    name = market.name.lower()
    builtin = {module.name for module in pkgutil.iter_modules(__path__)}
    if plugin := entry_points("listings", builtin).get(name):
        return plugin.load(ExchangeListings).from_settings(settings)  # type: ignore[type-abstract]
    if name not in builtin:
        raise UsageError(
            f"no public list of the companies of the {market.name} market: name --symbols, or use --source "
            "polygon or eodhd"
        )
    return class_in(f"{__name__}.{name}", ExchangeListings).from_settings(settings)  # type: ignore[type-abstract]
