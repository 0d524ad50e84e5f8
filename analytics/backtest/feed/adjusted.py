"""Bars as traded, and adjusted for what splits and dividends there were up to each one's own day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from duckdb import DuckDBPyConnection

from stockstream.analytics.backtest.feed.blocks import ACTIONS
from stockstream.analytics.backtest.model.setup import Setup
from stockstream.sql.errors import UsageError
from stockstream.sql.session import quoted

SOURCE = "bars_as_traded"


def adjusted_view(con: DuckDBPyConnection, src: str, symbols: Sequence[str]) -> str:
    """Make a view of some symbols' bars; give its name. `src` may know of no splits and dividends.

    It has symbol, date, open, high, low, close and volume, adjusted; the same as traded, as traded_open and so on;
    dividend, split_ratio, price_factor, split_factor.
    """
    known = set(ACTIONS) <= set(con.sql(f"FROM {src} LIMIT 0").columns)
    actions = "" if known else ", 0.0 AS dividend, 1.0 AS split_ratio"
    number = con.execute("SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'backtest_bars_%'").fetchall()[0][0]
    rows, view = f"backtest_rows_{number}", f"backtest_bars_{number}"
    # The symbols are picked before the factors are computed: through these the filter does not go down by itself.
    con.execute(f"CREATE TEMP VIEW {rows} AS SELECT *{actions} FROM {src} WHERE {is_one_of(symbols)}")
    con.execute(
        f"""
        CREATE TEMP VIEW {view} AS
        SELECT
            symbol, date,
            open * price_factor AS open, high * price_factor AS high, low * price_factor AS low,
            close * price_factor AS close, volume / split_factor AS volume,
            open AS traded_open, high AS traded_high, low AS traded_low, close AS traded_close,
            volume AS traded_volume, dividend, split_ratio, price_factor, split_factor
        FROM forward_factors({quoted(rows)})
        """
    )
    return view


def benchmark(con: DuckDBPyConnection, setup: Setup, src: str = SOURCE) -> dict[date, float]:
    """Give the benchmark's closes by day, dividends reinvested.

    Raises:
        UsageError: it has no bars in the range.
    """
    assert setup.benchmark is not None
    if not (found := _closes(con, setup, [setup.benchmark], src, "close")):
        raise UsageError(f"no bars of the benchmark {setup.benchmark}{between(setup)}")
    return found[setup.benchmark]


def charted_closes(
    con: DuckDBPyConnection, setup: Setup, symbols: Sequence[str], src: str = SOURCE
) -> dict[str, dict[date, float]]:
    """Give closes by symbol and day, in the shares of the last day, as a split is no fall to look at."""
    shares = "split_factor / arg_max(split_factor, date) OVER (PARTITION BY symbol)"
    return _closes(con, setup, symbols, src, f"traded_close * {shares}")


def _closes(
    con: DuckDBPyConnection, setup: Setup, symbols: Sequence[str], src: str, close: str
) -> dict[str, dict[date, float]]:
    where = " AND ".join(["close IS NOT NULL", *in_days(setup)])
    view = adjusted_view(con, src, symbols)
    found: dict[str, dict[date, float]] = {}
    rows = con.execute(f"SELECT symbol, date, {close} FROM {view} WHERE {where} ORDER BY symbol, date").fetchall()
    for symbol, day, value in rows:
        found.setdefault(symbol, {})[day] = value
    return found


def is_one_of(symbols: Sequence[str] | None) -> str:
    """Write the condition on the symbols in SQL; None: all."""
    return "true" if symbols is None else f"symbol IN ({', '.join(map(quoted, symbols))})"


def in_days(setup: Setup) -> list[str]:
    """Write the conditions on the days in SQL."""
    days = ((">=", setup.start), ("<=", setup.end))
    return [f"date {sign} DATE '{day}'" for sign, day in days if day is not None]


def between(setup: Setup) -> str:
    """Say the range of days, in an error."""
    return (f" from {setup.start}" if setup.start else "") + (f" up to {setup.end}" if setup.end else "")
