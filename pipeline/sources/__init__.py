"""Where bars come from. A new source is one file here, and its line in `open_source`."""

from __future__ import annotations

from collections.abc import Mapping

from stockstream.pipeline.market import Market
from stockstream.pipeline.settings import Settings
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.sql.errors import UsageError, did_you_mean

__all__ = ["NAMES", "Answer", "Source", "Window", "open_source"]

NAMES = "yahoo, polygon, files:PATH, demo"


def open_source(
    name: str,
    market: Market,
    settings: Settings,
    prices: str = "adjusted",
    columns: Mapping[str, str] | None = None,
    derive_actions: bool = False,
) -> Source:
    """Open a source by name; the last three arguments are for `files:PATH`.

    Raises:
        UsageError: there is no such source, it does not serve this market, or it lacks a setting.
    """
    # Each source is imported when it is asked for: a Lambda carries only the packages of its own.
    if name == "yahoo":
        from stockstream.pipeline.sources.yahoo import YahooSource

        return YahooSource.from_settings(settings, market.yahoo_suffix, market.timezone)
    if name == "polygon":
        from stockstream.pipeline.sources.polygon import PolygonSource

        if market.name != "US":
            raise UsageError("--source polygon has the US market only: use --market US")
        return PolygonSource.from_settings(settings)
    if name.startswith("files:"):
        from stockstream.pipeline.sources.files import FilesSource

        return FilesSource(name.removeprefix("files:"), market, prices, columns, derive_actions)
    if name == "demo":
        from stockstream.pipeline.sources.demo import DemoSource

        if market.name != "US":
            raise UsageError("--source demo has the US market only: use --market US")
        return DemoSource(market)
    raise UsageError(f"no source {name}: there are {NAMES}{did_you_mean(name, NAMES.split(', '))}")
