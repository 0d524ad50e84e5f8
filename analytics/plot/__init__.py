"""Charts of bars and of backtests, as HTML that needs no network and as PNG (extra `plot`)."""

from stockstream.analytics.plot.accounts import account
from stockstream.analytics.plot.candlesticks import candles
from stockstream.analytics.plot.chart import Chart

__all__ = ["Chart", "account", "candles"]
