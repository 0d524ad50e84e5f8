"""What a lake tells, in a form that is small enough to be kept and still finds out a row too many or a wrong value."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from datetime import date
from itertools import groupby
from typing import Any

from duckdb import DuckDBPyConnection

_BAR = "symbol, date, open, high, low, close, volume"
_RAW = f"{_BAR}, adjusted_close, fetch_timestamp, dividend, split_ratio, source, price_basis"
_RESAMPLED = f"{_BAR}, first_date, bars, is_open"
_ADJUSTED = f"{_BAR}, dividend, split_ratio"

SUMMED = {
    "bars": f"SELECT {_RAW} FROM bars ORDER BY symbol, date",
    "bars_adjusted": f"SELECT {_ADJUSTED}, split_factor, dividend_factor FROM bars_adjusted ORDER BY symbol, date",
    "bars_split_adjusted": f"SELECT {_ADJUSTED} FROM bars_split_adjusted ORDER BY symbol, date",
    "bars_3d": f"SELECT {_RESAMPLED} FROM bars_3d ORDER BY symbol, date",
    "bars_weekly": f"SELECT {_RESAMPLED} FROM bars_weekly ORDER BY symbol, date",
    "indicators": "SELECT symbol, date, close, sma_20, sma_50, sma_200, ema_12, ema_26, rsi_14, macd, macd_signal,"
    " macd_hist, stoch_k, stoch_d, bollinger_upper, bollinger_middle, bollinger_lower, donchian_upper, donchian_lower,"
    " atr_14, obv, vwap FROM indicators ORDER BY symbol, date",
    "raw_bars": f"SELECT {_RAW}, parse_filename(file) AS file, file_row FROM raw_bars"
    " ORDER BY symbol, date, file, file_row",
}
"""The views of many rows: of each symbol sums are kept, and its last row. No `SELECT *`: columns may be added."""

WHOLE = {
    "metadata": "SELECT symbol, name, sector, listing_date, delisting_date, renamed_from, renamed_to, source,"
    " valid_from, valid_to FROM metadata ORDER BY symbol, valid_from",
    "unsettled": "SELECT symbol, date, volume, fetch_timestamp, source FROM unsettled ORDER BY symbol, date",
    "gaps": "SELECT symbol, date FROM gaps ORDER BY symbol, date",
    "watermarks": "SELECT symbol, step, last_date, bars FROM watermarks WHERE step IN ('fetch', 'consolidate',"
    " 'resample 3d', 'resample weekly', 'indicators') ORDER BY symbol, step",
}
"""The views of few rows, which are kept as they are."""

VIEWS = SUMMED | WHOLE


def read(con: DuckDBPyConnection, view: str) -> Any:
    """Return the content of a view as JSON: all rows of a small view, `summary` per symbol of a large one."""
    relation = con.sql(VIEWS[view])
    rows = relation.fetchall()
    if view in WHOLE:
        return [[_plain(value) for value in row] for row in rows]
    return {symbol: summary(relation.columns, list(group)) for symbol, group in groupby(rows, key=lambda row: row[0])}


def summary(columns: list[str], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Sum up a symbol's rows, in their order.

    Of a column of numbers: how many there are, their sum, and their sum weighted by their place; of any other a hash.
    """
    by_name = dict(zip(columns, zip(*rows, strict=True), strict=True))
    return {
        "rows": len(rows),
        "last": [_plain(value) for value in rows[-1]],
        "columns": {name: _of_column(values) for name, values in by_name.items() if name != "symbol"},
    }


def _of_column(values: Iterable[Any]) -> list[Any] | str:
    plain = [_plain(value) for value in values]
    if any(isinstance(value, str) for value in plain):
        return hashlib.sha256("\n".join(map(str, plain)).encode()).hexdigest()[:16]
    numbers = [(place, value) for place, value in enumerate(plain, start=1) if value is not None]
    weighted = math.fsum(place * value for place, value in numbers)
    return [len(numbers), math.fsum(value for _, value in numbers), weighted]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, date) else value
