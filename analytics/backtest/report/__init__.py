"""Writes the results of backtests and searches to files: HTML pages, JSON, and tables as CSV and Parquet."""

from stockstream.analytics.backtest.report.charts import MAX_CHARTS
from stockstream.analytics.backtest.report.files import to_json, write_result
from stockstream.analytics.backtest.report.page import MAX_TRADES, render
from stockstream.analytics.backtest.report.pages import ASSETS, params_text
from stockstream.analytics.backtest.report.search_page import render_search
from stockstream.analytics.backtest.report.tables import types_in, write_table
from stockstream.analytics.backtest.report.walk_page import render_walk
from stockstream.analytics.page_formats import figure_text

__all__ = [
    "ASSETS",
    "MAX_CHARTS",
    "MAX_TRADES",
    "figure_text",
    "params_text",
    "render",
    "render_search",
    "render_walk",
    "to_json",
    "types_in",
    "write_result",
    "write_table",
]
