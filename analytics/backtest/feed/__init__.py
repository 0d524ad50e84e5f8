"""The bars of a run: one SQL query on the lake, streamed session by session."""

from stockstream.analytics.backtest.feed.adjusted import SOURCE, benchmark_closes
from stockstream.analytics.backtest.feed.arrow import numbers, symbols_of
from stockstream.analytics.backtest.feed.blocks import PRICES, Block, Feed, Rows, Unit
from stockstream.analytics.backtest.feed.checksums import Checksums
from stockstream.analytics.backtest.feed.source import open_feed
from stockstream.analytics.backtest.feed.units import units_of
from stockstream.analytics.backtest.feed.universe import LISTED_SYMBOLS

__all__ = [
    "LISTED_SYMBOLS",
    "PRICES",
    "SOURCE",
    "Block",
    "Checksums",
    "Feed",
    "Rows",
    "Unit",
    "benchmark_closes",
    "numbers",
    "open_feed",
    "symbols_of",
    "units_of",
]
