"""Several strategies in one account: each trades a share of the money, and their results add up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from stockstream.analytics.backtest.engine import run
from stockstream.analytics.backtest.feed import SOURCE, Feed, benchmark_closes, open_feed
from stockstream.analytics.backtest.model import (
    Costs,
    Curve,
    LedgerEntry,
    Movement,
    Note,
    Order,
    Result,
    Setup,
    Status,
    Strategy,
    Transaction,
)
from stockstream.analytics.backtest.runs.history import history_of
from stockstream.analytics.backtest.runs.single import (
    MAX_CHARTED,
    by_profit,
    lake_connection,
    provenance,
    result_of,
    session_counter,
)
from stockstream.analytics.backtest.stats import summary
from stockstream.analytics.session import AsOf
from stockstream.sql.errors import UsageError


@dataclass(frozen=True)
class Blend:
    """The result of several strategies."""

    result: Result
    """The whole account: the sums of all parts. The ids of its orders are counted through all of them."""
    parts: Mapping[str, Result]
    """The result per strategy, on its own part of the initial capital."""


def blend(
    strategies: Mapping[str, tuple[Strategy, float]],
    lake: str | Path | None = None,
    *,
    con: DuckDBPyConnection | None = None,
    src: str = SOURCE,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    with_history: bool = False,
    on_sessions: Callable[[int, int], None] = lambda done, total: None,
    **settings: Any,
) -> Blend:
    """Run several strategies side by side over the same bars, each with its part of the initial capital.

    No money moves between them: a part grows with its own profits. What the weights leave stays cash. Two strategies
    may hold the same symbol; their orders are not offset against each other, so that each pays its own costs.

    Args:
        strategies: the strategy and its weight in per cent of the initial capital, by a name of your choice.
        lake: the lake's URI; by default the one of the settings ($STOCKSTREAM_LAKE).
        con: a connection of `analytics.connect` to use instead of `lake`.
        src: a view or table of the connection with bars as traded.
        as_of: an earlier generation of the lake: its number or a time.
        sql_path: folders with further indicators.
        with_history: whether the result of the whole account has a `history`, as in `backtest`.
        on_sessions: called with the number of sessions processed, and their total.
        settings: the fields of `Setup`: symbols, start, end, initial_capital, …

    Returns:
        The results. If a strategy fails, that of the whole account ends with the last session that all of them
        completed.

    Raises:
        UsageError: a setting or a weight is invalid, strategies have different queries, or there are no bars.
        LakeError: the lake cannot be read.
    """
    setup = Setup.of(**settings)
    weights = {name: weight for name, (_, weight) in strategies.items()}
    is_possible = all(weight > 0 for weight in weights.values()) and math.fsum(weights.values()) <= 100 * (1 + 1e-12)
    if not weights or not is_possible:
        raise UsageError(f"weights {weights}: each must be above 0, and all together at most 100 per cent")
    items = {name: strategy for name, (strategy, _) in strategies.items()}
    queries = list(dict.fromkeys(item.query for item in items.values() if item.query is not None))
    if len(queries) > 1:
        raise UsageError("the strategies have different queries: they read the same bars, so that one query must do")
    columns = list(dict.fromkeys(column for item in items.values() for column in item.columns))
    setups = [
        setup.model_copy(update={"initial_capital": setup.initial_capital * weight / 100})
        for weight in weights.values()
    ]
    with lake_connection(con, lake, as_of) as connection:
        query = next(iter(queries), None)
        feed = open_feed(connection, setup, columns, query, src=src, sql_path=sql_path, with_units=with_history)
        closes = benchmark_closes(connection, setup, src) if setup.benchmark else None
        accounts = run(list(items.values()), feed, setups, on_sessions=session_counter(feed, on_sessions))
        parts = {
            name: result_of(account, item, one, feed, provenance(connection, src, feed, item), closes)
            for (name, item), account, one in zip(items.items(), accounts, setups, strict=True)
        }
        result = _sum(parts, weights, setup, feed)
        if with_history and result.curve.dates:
            result = replace(result, history=history_of(result, feed, by_profit(result)[:MAX_CHARTED]))
    return Blend(result, parts)


def _sum(parts: Mapping[str, Result], weights: Mapping[str, float], setup: Setup, feed: Feed) -> Result:
    results = [_until(one, min(len(one.curve.dates) for one in parts.values())) for one in parts.values()]
    idle = max(setup.initial_capital - math.fsum(one.setup["initial_capital"] for one in results), 0.0)
    curve = _sum_of_curves([result.curve for result in results], idle)
    costs = Costs(*(sum(getattr(one.costs, name) for one in results) for name in Costs.__dataclass_fields__))
    trades = sorted((trade for one in results for trade in one.closed_positions), key=lambda t: (t.exit_date, t.symbol))
    orders, fills = _renumbered(results)
    still_open = [position for one in results for position in one.open_positions]
    return Result(
        setup={
            "strategy": " + ".join(parts),
            "params": {name: {"weight": weights[name], **one.setup["params"]} for name, one in parts.items()},
            **setup.model_dump(mode="json"),
            "symbols": list(feed.symbols),
        },
        provenance={**results[0].provenance, "strategy": {n: one.provenance["strategy"] for n, one in parts.items()}},
        curve=curve,
        closed_positions=trades,
        open_positions=still_open,
        transactions=fills,
        costs=costs,
        notes=sorted((note for one in results for note in one.notes), key=lambda note: note.date),
        metrics=summary(curve, trades, fills, costs, still_open, risk_free=setup.risk_free_rate) if curve.dates else {},
        error="; ".join(f"{name}: {one.error}" for name, one in parts.items() if one.error) or None,
        orders=orders,
        ledger=_sum_of_ledgers([one.ledger for one in results], idle) if curve.dates else [],
        transfers=_sum_of_transfers([one.transfers for one in results]),
    )


def _until(result: Result, count: int) -> Result:
    """Return a result as far as its first `count` sessions; a note says if positions were open then."""
    curve = result.curve
    if len(curve.dates) == count:
        return result
    days = set(curve.dates[:count])
    ledger = [entry for entry in result.ledger if entry.date in days]
    fills = [fill for fill in result.transactions if fill.date in days]
    notes = [note for note in result.notes if note.date in days]
    if count and (curve.long[count - 1] or curve.short[count - 1]):
        text = "the account ends here, because another strategy failed: positions that are open are not listed"
        notes.append(Note(curve.dates[count - 1], None, text))
    return replace(
        result,
        curve=Curve(
            curve.dates[:count],
            curve.equity[:count],
            curve.cash[:count],
            curve.long[:count],
            curve.short[:count],
            None if curve.benchmark is None else curve.benchmark[:count],
        ),
        closed_positions=[trade for trade in result.closed_positions if trade.exit_date in days],
        open_positions=[],
        transactions=fills,
        orders=[_as_of(order, days, fills) for order in result.orders if order.created in days],
        ledger=ledger,
        notes=notes,
        costs=Costs(
            math.fsum(fill.commission for fill in fills),
            math.fsum(fill.slippage for fill in fills),
            *(
                -math.fsum(entry.amount for entry in ledger if entry.kind == kind)
                for kind in ("borrow fee", "interest")
            ),
        ),
        transfers=[move for move in result.transfers if move.date in days],
    )


def _as_of(order: Order, days: Collection[date], fills: Sequence[Transaction]) -> Order:
    """Return an order as it was on the last of these days; `fills` are those up to then."""
    if order.ended is not None and order.ended in days:
        return order
    parts = [fill for fill in fills if fill.order == order.id]
    filled = math.fsum(fill.quantity for fill in parts)
    return replace(
        order,
        status=Status.open,
        ended=None,
        end_reason="",
        filled=filled,
        price=math.fsum(fill.quantity * fill.price for fill in parts) / filled if filled else 0.0,
        commission=math.fsum(fill.commission for fill in parts),
    )


def _sum_of_curves(curves: Sequence[Curve], idle: float) -> Curve:
    """Return the sum of curves of the same sessions, with `idle` money in cash."""

    def total(name: str) -> NDArray[np.float64]:
        return np.sum([getattr(curve, name) for curve in curves], axis=0)  # type: ignore[no-any-return]

    return replace(
        curves[0], equity=total("equity") + idle, cash=total("cash") + idle, long=total("long"), short=total("short")
    )


def _sum_of_ledgers(ledgers: Sequence[Sequence[LedgerEntry]], idle: float) -> list[LedgerEntry]:
    """Return the entries of all ledgers in the order of their days, with the cash of the whole account after each."""
    first = ledgers[0][0]
    entries = [first._replace(amount=idle)] if idle else []
    entries += sorted((entry for ledger in ledgers for entry in ledger), key=lambda entry: entry.date)
    cash = itertools.accumulate(entry.amount for entry in entries)
    return [entry._replace(cash=total) for entry, total in zip(entries, cash, strict=True)]


def _sum_of_transfers(transfers: Sequence[Sequence[Movement]]) -> list[Movement]:
    """Return the transfers of the whole account; a split changes the shares of all parts, and so is there once."""
    moves = sorted((move for part in transfers for move in part), key=lambda move: move.date)
    splits = {(move.date, move.symbol, move.ratio): move for move in moves if move.ratio != 1}
    return [move for move in moves if move.ratio == 1 or splits[move.date, move.symbol, move.ratio] is move]


def _renumbered(results: Sequence[Result]) -> tuple[list[Order], list[Transaction]]:
    """Return copies of all orders and fills with ids that are counted through; the fills are sorted by day."""
    orders: list[Order] = []
    fills: list[Transaction] = []
    for one in results:
        first = len(orders)
        fills += [fill._replace(order=fill.order + first) for fill in one.transactions]
        for order in one.orders:
            parent = None if order.parent is None else order.parent + first
            oco = order.oco if parent is None else f"exits of {parent}"
            orders.append(replace(order, id=order.id + first, parent=parent, oco=oco))
    return orders, sorted(fills, key=lambda fill: fill.date)
