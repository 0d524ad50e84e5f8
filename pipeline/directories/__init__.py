"""Where lists of companies come from. A new exchange is one file here, and its line in `open_directory`."""

from __future__ import annotations

from pipeline.directories.base import Directory, Listing
from pipeline.errors import UsageError
from pipeline.market import Market
from pipeline.settings import Settings

__all__ = ["Directory", "Listing", "open_directory"]


def open_directory(market: Market, settings: Settings) -> Directory:
    """Open a market's own list of companies, the exchange's.

    Raises:
        UsageError: the exchange publishes none that we can read.
    """
    if market.name == "ASX":
        from pipeline.directories.asx import AsxDirectory

        return AsxDirectory.from_settings(settings)
    raise UsageError(f"no public directory of the {market.name} market: name --symbols, or use --source polygon")
