"""A backtest from its settings to its result."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.analytics.backtest.engine.loop import Account, run
from stockstream.analytics.backtest.feed.adjusted import SOURCE, benchmark, charted_closes
from stockstream.analytics.backtest.feed.blocks import Feed
from stockstream.analytics.backtest.feed.source import open_feed
from stockstream.analytics.backtest.model.portfolio import Portfolio
from stockstream.analytics.backtest.model.result import Curve, Result
from stockstream.analytics.backtest.model.setup import Setup
from stockstream.analytics.backtest.model.strategy import Strategy
from stockstream.analytics.backtest.stats.metrics import summary
from stockstream.analytics.session import AsOf, connect
from stockstream.pipeline.configuration import settings
from stockstream.sql.session import explain

PACKAGES = ("stock-stream", "duckdb", "numpy", "pyarrow")


def backtest(
    strategy: Strategy,
    lake: str | None = None,
    *,
    con: DuckDBPyConnection | None = None,
    src: str = SOURCE,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    charted: int = 0,
    on_sessions: Callable[[int, int], None] = lambda done, of: None,
    **given: Any,
) -> Result:
    """Run a strategy on the bars of a lake; `given` are the settings of `Setup`.

    `con` is a connection of `analytics.connect`, to trade on `src`, a view or a table of it with bars as traded.
    `charted`: of how many symbols, those that won or lost the most, the result is to have the closes. `on_sessions` is
    told how many sessions are done, and of how many.

    An error of the strategy is in the result, with what was reached until then.

    Raises:
        UsageError: a setting is wrong, or there are no bars.
        LakeError: the lake cannot be read.
    """
    setup = Setup.of(**given)
    with opened(con, lake, as_of) as own:
        feed = open_feed(own, setup, strategy.columns, strategy.query, src=src, sql_path=sql_path)
        closes = benchmark(own, setup, src) if setup.benchmark else None
        done = 0

        def count(sessions: int) -> None:
            nonlocal done
            done += sessions
            on_sessions(done, feed.sessions)

        (account,) = run([strategy], feed, setup, on_sessions=count)
        result = result_of(account, strategy, setup, feed, provenance(own, src, feed, strategy), closes)
        moved = most_moved(account.portfolio)[:charted]
        return replace(result, prices=charted_closes(own, setup, moved, src)) if moved else result


@contextmanager
def opened(con: DuckDBPyConnection | None, lake: str | None, as_of: AsOf | None) -> Iterator[DuckDBPyConnection]:
    """Give a connection to trade on: the one that is given, or one on a lake."""
    uri = lake or settings().lake_uri
    try:
        if con is not None:
            yield con
            return
        with connect(uri, as_of=as_of) as own:
            yield own
    except duckdb.Error as error:
        raise explain(error, uri) from None


def result_of(
    account: Account,
    strategy: Strategy,
    setup: Setup,
    feed: Feed,
    provenance: Mapping[str, Any],
    closes: Mapping[date, float] | None = None,
) -> Result:
    """Sum an account up. `closes` are the benchmark's."""
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
        closed_positions=portfolio.closed_positions,
        open_positions=[held.valued(portfolio.prices[held.symbol]) for held in portfolio.positions.values()],
        transactions=portfolio.transactions,
        costs=account.broker.books.costs,
        notes=account.broker.notes,
        metrics=metrics_of(account, curve, setup),
        error=str(account.error) if account.error else None,
    )


def most_moved(portfolio: Portfolio) -> list[str]:
    """Give the symbols that were traded, those that won or lost the most first."""
    earned = dict.fromkeys(portfolio.positions, 0.0)
    for trade in portfolio.closed_positions:
        earned[trade.symbol] = earned.get(trade.symbol, 0.0) + trade.pnl
    return sorted(earned, key=lambda symbol: (-abs(earned[symbol]), symbol))


def metrics_of(account: Account, curve: Curve, setup: Setup) -> dict[str, float | None]:
    """Give the figures of `metrics.summary`; none where the strategy failed before the first session's end."""
    if not curve.dates:
        return {}
    portfolio, costs = account.portfolio, account.broker.books.costs
    trades, fills = portfolio.closed_positions, portfolio.transactions
    return summary(curve, trades, fills, costs, risk_free=setup.risk_free_rate)


def provenance(con: DuckDBPyConnection, src: str, feed: Feed, strategy: Strategy) -> dict[str, Any]:
    """Say what a result is made of, so that it can be made again."""
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
        **{name: version(name) for name in PACKAGES},
    }


def _digest(strategy: Strategy) -> str:
    """Give the first digits of the sha256 of the strategy's file, or that it has none."""
    try:
        text = Path(inspect.getfile(type(strategy))).read_bytes()
    except (OSError, TypeError):
        return "made in a session"
    return f"{type(strategy).__name__}, sha256 {hashlib.sha256(text).hexdigest()[:12]}"


def _carried(closes: Mapping[date, float], dates: Sequence[date]) -> NDArray[np.float64]:
    """Give for each day the close of that day or the last before it."""
    last, found = np.nan, []
    for day in dates:
        last = closes.get(day, last)
        found.append(last)
    return np.array(found)
