"""Queries on a lake from Python, indicators, charts, backtests, and the command line.

from stockstream import analytics
con = analytics.connect("./lake")  # a DuckDB connection with every view of sql/README.md
con.sql("FROM bars WHERE symbol = 'BHP'").pl()
analytics.bars("BHP,CBA", "2026-01-01", timeframe="weekly", lake="./lake")
analytics.indicators(["rsi_14", "macd"], "./lake", symbols=["BHP"], with_bars=True)
analytics.plot.candles("BHP", "2026-01-01", overlays=["sma_50"], panes=["rsi_14"], lake="./lake").save("bhp.html")
analytics.symbols_on("2020-06-30", "./lake")
analytics.remote("http://127.0.0.1:8000").bars("BHP")  # a lake behind `stockstream serve`
analytics.spark.query(bars, "FROM psar('frame')")  # macros on a frame of Spark
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stockstream.sql.extras import naming_the_extra, require

if TYPE_CHECKING:
    from stockstream.analytics import backtest, plot, spark
    from stockstream.analytics.aggregator import DataAggregator
    from stockstream.analytics.client import remote
    from stockstream.analytics.compute import indicators
    from stockstream.analytics.listings import symbols_on
    from stockstream.analytics.prices import bars, resample, wide
    from stockstream.analytics.session import connect

__all__ = [
    "DataAggregator",
    "backtest",
    "bars",
    "connect",
    "indicators",
    "plot",
    "remote",
    "resample",
    "spark",
    "symbols_on",
    "wide",
]

_MODULES = {
    "DataAggregator": "aggregator",
    "bars": "prices",
    "connect": "session",
    "indicators": "compute",
    "remote": "client",
    "resample": "prices",
    "symbols_on": "listings",
    "wide": "prices",
}
"""The module of each function; `backtest`, `plot` and `spark` are modules of that name."""
_FRAMES = ("DataAggregator", "bars", "indicators", "remote", "resample", "wide")
"""Those that return frames of polars."""


if not TYPE_CHECKING:  # a type checker would take every name for one of the package

    def __getattr__(name: str) -> Any:
        """Import a name at its first use: DuckDB, polars and sqlglot take longer than the command line's start.

        Raises:
            AttributeError: the package has no such name.
            MissingPackage: it needs a package that is not installed.
        """
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _FRAMES:
            require("polars", "pyarrow", by=f"analytics.{name}")
        if name == "spark":
            require("pyarrow", by="analytics.spark", extra="spark")  # `query` looks for pyspark
        with naming_the_extra():
            module = import_module(f"{__name__}.{_MODULES.get(name, name)}")
        return getattr(module, name) if name in _MODULES else module


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
