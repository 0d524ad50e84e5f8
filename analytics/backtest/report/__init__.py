"""Writes the results of backtests and searches to files: HTML pages, JSON, and tables as CSV and Parquet."""

from stockstream.analytics.backtest.report.charts import MAX_CHARTS, account_curves
from stockstream.analytics.backtest.report.files import to_json, trade_rows, write_result
from stockstream.analytics.backtest.report.page import MAX_TRADES, render, render_card
from stockstream.analytics.backtest.report.pages import ASSETS, FORMATS, figure_text, params_text
from stockstream.analytics.backtest.report.search_page import render_search
from stockstream.analytics.backtest.report.tables import types_in, write_table
from stockstream.analytics.backtest.report.walk_page import render_walk

__all__ = [
    "ASSETS",
    "FORMATS",
    "MAX_CHARTS",
    "MAX_TRADES",
    "account_curves",
    "figure_text",
    "params_text",
    "render",
    "render_card",
    "render_search",
    "render_walk",
    "to_json",
    "trade_rows",
    "types_in",
    "write_result",
    "write_table",
]
