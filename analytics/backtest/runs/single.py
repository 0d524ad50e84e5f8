"""A single run of a strategy, from its settings to its result."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.analytics.arguments import lake_of
from stockstream.analytics.backtest.engine import Account, run
from stockstream.analytics.backtest.feed import SOURCE, Feed, benchmark_closes, open_feed
from stockstream.analytics.backtest.model import Curve, OpenPosition, Portfolio, Result, Setup, Strategy
from stockstream.analytics.backtest.runs.history import history_of
from stockstream.analytics.backtest.stats import summary
from stockstream.analytics.frames import PRICES, checksum_of, connection_to, table_of
from stockstream.analytics.session import AsOf, open_lake
from stockstream.pipeline.versions import version_of
from stockstream.sql.errors import ArgumentError
from stockstream.sql.session import explained

if TYPE_CHECKING:
    from stockstream.analytics.frames import Frame

PACKAGES = ("stock-stream", "duckdb", "numpy", "pyarrow")
"""Packages whose versions are part of a result's provenance."""
MAX_CHARTED = 30
"""Maximum number of symbols of whose bars a result has the history: those with the largest profits and losses."""


def backtest(
    strategy: Strategy,
    lake: str | Path | None = None,
    *,
    df: Frame | None = None,
    con: DuckDBPyConnection | None = None,
    src: str = SOURCE,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    with_history: bool = False,
    on_sessions: Callable[[int, int], None] = lambda done, total: None,
    **settings: Any,
) -> Result:
    """Run a strategy on the bars of a lake, or of a frame.

    Args:
        strategy: the strategy.
        lake: the lake's URI; by default the one of the settings ($STOCKSTREAM_LAKE).
        df: a frame of polars, pandas or Arrow instead of a lake: symbol, date, open, high, low, close and volume, as
            traded on their day; dividend (money per share) and split_ratio are optional. Its rows are one per symbol
            and day, in the order of days, and without missing values. It has no calendar and no delistings.
        con: a connection of `analytics.connect` to use instead of `lake`.
        src: a view or table of the connection with bars as traded.
        as_of: an earlier generation of the lake: its number or a time.
        sql_path: folders with further indicators.
        with_history: whether the result has a `history`: holdings, excursions of the trades, and bars for charts.
            The bars are read a second time for it.
        on_sessions: called with the number of sessions processed, and their total.
        settings: the fields of `Setup`: symbols, start, end, initial_capital, …

    Returns:
        The result. If the strategy fails, its `error` is set and it covers the sessions up to then.

    Raises:
        UsageError: a setting is invalid, or there are no bars.
        ArgumentError: the frame is refused (see `frames.table_of`).
        LakeError: the lake cannot be read.
    """
    if not isinstance(strategy, Strategy):
        is_class = isinstance(strategy, type) and issubclass(strategy, Strategy)
        advice = f"write {strategy.__name__}()" if is_class else "write an instance of a subclass of Strategy"
        raise ArgumentError(f"strategy: {strategy!r} is no strategy: {advice}")
    setup = Setup.of(**settings)
    origin: dict[str, Any] = {}
    if df is None:
        opened = lake_connection(con, lake, as_of)
    else:
        if (lake, con, as_of, src) != (None, None, None, SOURCE):
            raise ArgumentError("df: a frame stands in place of lake, con, src and as_of: leave them out")
        table = table_of("df", df, PRICES)
        src, opened = "df", connection_to(df=table)
        origin = {"lake": None, "rows": table.num_rows, "sha256": checksum_of(table)}
    with opened as connection:
        feed = open_feed(
            connection, setup, strategy.columns, strategy.query, src=src, sql_path=sql_path, with_units=with_history
        )
        closes = benchmark_closes(connection, setup, src) if setup.benchmark else None
        (account,) = run([strategy], feed, setup, on_sessions=session_counter(feed, on_sessions))
        origin = provenance(connection, src, feed, strategy) | origin
        result = result_of(account, strategy, setup, feed, origin, closes)
        if with_history and result.curve.dates:
            return replace(result, history=history_of(result, feed, by_profit(result)[:MAX_CHARTED]))
        return result


def session_counter(feed: Feed, on_sessions: Callable[[int, int], None]) -> Callable[[int], None]:
    """Return a function that adds up numbers of sessions, and calls `on_sessions` with the sum and the total."""
    sessions_so_far = 0

    def count(sessions: int) -> None:
        nonlocal sessions_so_far
        sessions_so_far += sessions
        on_sessions(sessions_so_far, feed.sessions)

    return count


@contextmanager
def lake_connection(
    con: DuckDBPyConnection | None, lake: str | Path | None, as_of: AsOf | None
) -> Iterator[DuckDBPyConnection]:
    """Yield `con` if there is one, otherwise a new connection to the lake; explain DuckDB's errors."""
    uri = lake_of(lake)
    if con is not None and not isinstance(con, DuckDBPyConnection):
        raise ArgumentError(f"con: a {type(con).__name__} is no connection: write one of analytics.connect")
    with explained(uri):
        if con is not None:
            yield con
            return
        with open_lake(uri, as_of=as_of) as connection:
            yield connection


def result_of(
    account: Account,
    strategy: Strategy,
    setup: Setup,
    feed: Feed,
    provenance: Mapping[str, Any],
    closes: Mapping[date, float] | None = None,
) -> Result:
    """Return the result of an account; `closes` are the benchmark's."""
    curve = account.curve
    if closes is not None:
        curve = replace(curve, benchmark=_carried(closes, curve.dates))
    portfolio = account.portfolio
    return Result(
        setup={
            "strategy": type(strategy).__name__,
            "params": dict(strategy.params),
            **setup.model_dump(mode="json"),
            "symbols": list(feed.symbols),
        },
        provenance=provenance,
        curve=curve,
        closed_positions=list(portfolio.closed_positions),
        open_positions=_open_positions(portfolio),
        transactions=list(portfolio.transactions),
        orders=account.broker.orders.log,
        ledger=account.ledger,
        costs=account.broker.books.costs,
        notes=account.broker.notes.all(),
        metrics=metrics_of(account, curve, setup),
        error=str(account.error) if account.error else None,
        transfers=account.broker.books.transfers,
    )


def by_profit(result: Result) -> list[str]:
    """Return the traded symbols, those with the largest profits and losses in closed trades first."""
    profits = dict.fromkeys((position.symbol for position in result.open_positions), 0.0)
    for trade in result.closed_positions:
        profits[trade.symbol] = profits.get(trade.symbol, 0.0) + trade.pnl
    return sorted(profits, key=lambda symbol: (-abs(profits[symbol]), symbol))


def metrics_of(account: Account, curve: Curve, setup: Setup) -> dict[str, float | None]:
    """Return the metrics of `stats.summary`; empty if the strategy failed before the end of the first session."""
    if not curve.dates:
        return {}
    portfolio, costs = account.portfolio, account.broker.books.costs
    still_open = _open_positions(portfolio)
    return summary(
        curve, portfolio.closed_positions, portfolio.transactions, costs, still_open, risk_free=setup.risk_free_rate
    )


def _open_positions(portfolio: Portfolio) -> list[OpenPosition]:
    return [position.at_price(portfolio.prices[position.symbol]) for position in portfolio.positions.values()]


def provenance(con: DuckDBPyConnection, src: str, feed: Feed, strategy: Strategy) -> dict[str, Any]:
    """Return what a result depends on, so that it can be reproduced."""
    generation, fresh, lake = con.execute(
        "SELECT getvariable('manifest').generation, len(getvariable('fresh_files')), getvariable('lake')"
    ).fetchall()[0]
    return {
        "lake": lake,
        "generation": generation,
        "batch_files_since": fresh,
        "source": src,
        "indicators": dict(feed.versions),
        "strategy": _digest(strategy),
        "python": ".".join(map(str, sys.version_info[:3])),
        **_versions(),
    }


@cache
def _versions() -> dict[str, str]:
    """Return the version per package; reading them takes milliseconds."""
    return {name: version_of(name) for name in PACKAGES}


def _digest(strategy: Strategy) -> str:
    """Return the class name and the start of its file's SHA-256, or a note that the class has no file."""
    try:
        text = Path(inspect.getfile(type(strategy))).read_bytes()
    except (OSError, TypeError):
        return "defined interactively"
    return f"{type(strategy).__name__}, sha256 {hashlib.sha256(text).hexdigest()[:12]}"


def _carried(closes: Mapping[date, float], dates: Sequence[date]) -> NDArray[np.float64]:
    """Return the close of each day, or the last one before it (NaN if there is none)."""
    last, carried = np.nan, []
    for day in dates:
        last = closes.get(day, last)
        carried.append(last)
    return np.array(carried)
