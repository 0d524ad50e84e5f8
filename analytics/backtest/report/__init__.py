"""Writes the result of a backtest to files: an HTML page, JSON, and tables as CSV and Parquet."""

from stockstream.analytics.backtest.report.charts import MAX_CHARTS, PriceHistory
from stockstream.analytics.backtest.report.files import to_json, write_result
from stockstream.analytics.backtest.report.page import ASSETS, FORMATS, GROUPS, MAX_TRADES, render
from stockstream.analytics.backtest.report.tables import types_in, write_table

__all__ = [
    "ASSETS",
    "FORMATS",
    "GROUPS",
    "MAX_CHARTS",
    "MAX_TRADES",
    "PriceHistory",
    "render",
    "to_json",
    "types_in",
    "write_result",
    "write_table",
]
