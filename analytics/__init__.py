"""Queries on a lake from Python, indicators, backtests, and the command line.

from stockstream import analytics
con = analytics.connect("./lake")  # a DuckDB connection with every view of sql/README.md
con.sql("FROM bars WHERE symbol = 'BHP'").pl()
analytics.DataAggregator("./lake").load_symbols(["BHP", "CBA"])
analytics.indicators(["rsi_14", "macd"], "./lake", symbols=["BHP"])
analytics.symbols_on("2020-06-30", "./lake")
analytics.remote("http://127.0.0.1:8000").bars("BHP")  # a lake behind `stockstream serve`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stockstream.analytics.aggregator import DataAggregator
    from stockstream.analytics.client import remote
    from stockstream.analytics.compute import indicators
    from stockstream.analytics.listings import symbols_on
    from stockstream.analytics.session import connect

__all__ = ["DataAggregator", "connect", "indicators", "remote", "symbols_on"]


def __getattr__(name: str) -> Any:
    if name == "connect":  # imports DuckDB and boto3, which the command line does when it can handle signals
        from stockstream.analytics.session import connect

        return connect
    if name == "DataAggregator":  # imports polars, which a connection alone does not need
        from stockstream.analytics.aggregator import DataAggregator

        return DataAggregator
    if name == "indicators":  # imports sqlglot
        from stockstream.analytics.compute import indicators

        return indicators
    if name == "remote":  # imports requests
        from stockstream.analytics.client import remote

        return remote
    if name == "symbols_on":
        from stockstream.analytics.listings import symbols_on

        return symbols_on
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
