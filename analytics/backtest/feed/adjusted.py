"""Bars as traded, and bars adjusted forward for the splits and dividends up to the day of each bar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import count

from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.feed.blocks import ACTIONS
from stockstream.analytics.backtest.model import Setup
from stockstream.analytics.session import known_symbols
from stockstream.sql.errors import UsageError
from stockstream.sql.session import quoted

SOURCE = "bars_as_traded"
"""The view that backtests trade on by default."""
_NUMBERS = count()


def adjusted_view(con: DuckDBPyConnection, src: str, symbols: Sequence[str] | None) -> str:
    """Create a temporary view of the bars of some symbols (None: all), and return its name.

    Its columns are symbol and date; open, high, low, close and volume, adjusted; traded_open, … traded_volume;
    dividend, split_ratio, price_factor and split_factor. Without dividends and splits in `src` all factors are 1.
    """
    has_actions = set(ACTIONS) <= set(con.sql(f"FROM {src} LIMIT 0").columns)
    actions = "" if has_actions else ", 0.0 AS dividend, 1.0 AS split_ratio"
    # Filter the symbols before the factors: DuckDB does not push the filter down through their windows.
    rows = new_view(con, "rows", f"SELECT *{actions} FROM {src} WHERE {is_one_of(symbols)}")
    return new_view(
        con,
        "bars",
        f"""
        SELECT
            symbol, date,
            open * price_factor AS open, high * price_factor AS high, low * price_factor AS low,
            close * price_factor AS close, volume / split_factor AS volume,
            open AS traded_open, high AS traded_high, low AS traded_low, close AS traded_close,
            volume AS traded_volume, dividend, split_ratio, price_factor, split_factor
        FROM forward_factors({quoted(rows)})
        """,
    )


def new_view(con: DuckDBPyConnection, kind: str, sql: str) -> str:
    """Create a temporary view with a name of its own, and return the name."""
    name = f"backtest_{kind}_{next(_NUMBERS)}"
    con.execute(f"CREATE TEMP VIEW {name} AS {sql}")
    return name


def benchmark_closes(con: DuckDBPyConnection, setup: Setup, src: str = SOURCE) -> dict[date, float]:
    """Return the benchmark's close per day, adjusted for splits and with dividends reinvested.

    Raises:
        UsageError: the benchmark has no bars in the range.
    """
    assert setup.benchmark is not None
    (benchmark,) = known_symbols(con, [setup.benchmark], src, "no bars of the benchmark {names} in {src}")
    where = " AND ".join(["close IS NOT NULL", *in_days(setup)])
    view = adjusted_view(con, src, [benchmark])
    if not (closes := dict(con.execute(f"SELECT date, close FROM {view} WHERE {where} ORDER BY date").fetchall())):
        raise UsageError(f"no bars of the benchmark {benchmark}{between(setup)}")
    return closes


def is_one_of(symbols: Sequence[str] | None) -> str:
    """Return the SQL condition on the symbols; None stands for all."""
    return "true" if symbols is None else f"symbol IN ({', '.join(map(quoted, symbols))})"


def in_days(setup: Setup) -> list[str]:
    """Return the SQL conditions on the days."""
    days = ((">=", setup.start), ("<=", setup.end))
    return [f"date {sign} DATE '{day}'" for sign, day in days if day is not None]


def between(setup: Setup) -> str:
    """Return the range of days in words, for an error message."""
    return (f" from {setup.start}" if setup.start else "") + (f" up to {setup.end}" if setup.end else "")
