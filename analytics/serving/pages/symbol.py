"""A symbol: its candles with indicators, its actions, signals and names; the script `candles.js` draws the chart."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args
from urllib.parse import quote

from starlette.requests import Request

from stockstream.analytics.prices import ADJUSTMENTS, TABLES, Timeframe
from stockstream.analytics.serving import parameters
from stockstream.analytics.serving.generations import Served
from stockstream.analytics.serving.pages.rendering import rows_of
from stockstream.analytics.serving.parameters import symbols_of
from stockstream.sql.catalogue import catalogue

SHOWN = 20
DEFAULT = "sma_50,rsi_14,macd"


def content(served: Served, request: Request) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        Problem: there is no such symbol (404), or a parameter is wrong (422).
    """
    [symbol] = symbols_of(f'"{request.path_params["symbol"]}"', served.symbols)
    query = parameters.parsed(parameters.SymbolPage, request.query_params.multi_items())
    adjustment = "split" if query.timeframe != "1d" and query.adjustment == "raw" else query.adjustment
    cursor = served.cursor

    def rows(text: str) -> list[Any]:
        return rows_of(cursor.execute(text, {"symbol": symbol}))

    names = query.names if query.names is not None else DEFAULT
    return {
        "symbol": symbol,
        "row": rows("FROM screen WHERE symbol = $symbol")[0],
        "timeframe": query.timeframe,
        "timeframes": get_args(Timeframe),
        "adjustment": adjustment,
        "adjustments": ADJUSTMENTS,
        "names": names,
        "overlays": overlays(),
        "indicators": indicators(),
        "bars": rows(
            f"SELECT date, open, high, low, close, volume FROM {TABLES[adjustment]} WHERE symbol = $symbol "
            f"ORDER BY date DESC LIMIT {SHOWN}"
        ),
        "actions": rows("SELECT date, dividend, split_ratio FROM actions WHERE symbol = $symbol ORDER BY date DESC"),
        "signals": rows(
            f"SELECT date, signal, close FROM signals WHERE symbol = $symbol ORDER BY date DESC, signal LIMIT {SHOWN}"
        ),
        "periods": rows("FROM metadata WHERE symbol = $symbol ORDER BY valid_from DESC"),
        "downloads": {
            kind: f"/v1/bars/{quote(symbol, safe='')}?timeframe={query.timeframe}&adjustment={adjustment}&limit=10000"
            for kind in ("CSV", "Parquet")
        },
        "quoted": quote(symbol, safe=""),
        "generation": served.generation,
    }


@cache
def indicators() -> dict[str, str]:
    """Return the title of each indicator by its name."""
    return {one.name: one.header.title for one in sorted(catalogue().newest, key=lambda one: one.name)}


@cache
def overlays() -> str:
    """Return the columns that are prices, and so are drawn over the candles, with blanks between them."""
    return " ".join(
        sorted(
            {column for one in catalogue().newest for column in one.header.price_like if column not in one.header.scale}
        )
    )
