"""The state of a run between two sessions, as JSON values: the run can go on in another process, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from stockstream.analytics.backtest.engine.account import Account
from stockstream.analytics.backtest.engine.broker import Broker
from stockstream.analytics.backtest.engine.ledger import Booking
from stockstream.analytics.backtest.engine.loop import LastBar, Loop
from stockstream.analytics.backtest.engine.memory import restore_strategy, strategy_state
from stockstream.analytics.backtest.engine.packing import pack, pack_all, unpack, unpack_all
from stockstream.analytics.backtest.model import (
    ClosedPosition,
    Costs,
    OpenOrders,
    Order,
    Portfolio,
    Position,
    Transaction,
    position_view,
)
from stockstream.sql.errors import UsageError

VERSION = 1
"""Version of the format; another one is refused."""
CURVE = ("equity", "cash", "long", "short")


def state_of(loop: Loop) -> dict[str, Any]:
    """Return the state of a run after a session.

    Raises:
        UsageError: an attribute of the strategy cannot be saved.
        StrategyError: the run has ended with an error.
    """
    if loop.account.error is not None:
        raise loop.account.error
    return {
        "version": VERSION,
        "run": _identity(loop),
        "state": strategy_state(loop.strategy, loop.initial),
        "day": loop.day.isoformat() if loop.day else None,
        "number": loop.number,
        "last_bars": {symbol: [last.number, last.day.isoformat()] for symbol, last in loop.last_bars.items()},
        "portfolio": _portfolio(loop.account.portfolio),
        "broker": _broker(loop.account.broker),
        "dates": [day.isoformat() for day in loop.account.dates],
        "curve": {name: list(getattr(loop.account, name)) for name in CURVE},
    }


def restore(loop: Loop, state: Mapping[str, Any]) -> None:
    """Let a run that has started, and has processed no session, go on from a state.

    Raises:
        UsageError: the state has another version, or is that of another strategy, other parameters or settings.
    """
    if state.get("version") != VERSION:
        raise UsageError(f"the state has version {state.get('version')!r}, and this program reads {VERSION}")
    for name, value in _identity(loop).items():
        if (saved := state["run"].get(name)) != value:
            raise UsageError(f"the state was saved with {name} {saved}, and here it is {value}")
    loop.number = state["number"]
    for symbol, (number, day) in state["last_bars"].items():
        loop.last_bars[symbol] = LastBar(number, date.fromisoformat(day))
    if state["day"]:
        loop.go_on_after(date.fromisoformat(state["day"]))
    _restore_broker(loop.account.broker, state["broker"])
    _restore_portfolio(loop.account, state["portfolio"])
    loop.account.dates[:] = map(date.fromisoformat, state["dates"])
    for name in CURVE:
        getattr(loop.account, name)[:] = state["curve"][name]
    restore_strategy(loop.strategy, state["state"])


def _identity(loop: Loop) -> dict[str, Any]:
    """Return what must be the same in both processes, by name: the strategy, its parameters, and the settings."""
    settings = loop.setup.model_dump(mode="json", exclude={"symbols", "start", "end", "benchmark", "risk_free_rate"})
    params = {f"parameter {name}": repr(value) for name, value in loop.strategy.params.items()}
    return {"strategy": type(loop.strategy).__name__, **params, **settings}


def _portfolio(portfolio: Portfolio) -> dict[str, Any]:
    return {
        "cash": portfolio.cash,
        "prices": dict(portfolio.prices),
        "positions": pack_all(portfolio.positions.values()),
        "closed_positions": pack_all(portfolio.closed_positions),
        "transactions": pack_all(portfolio.transactions),
        "orders": [order.id for order in portfolio.orders],
    }


def _restore_portfolio(account: Account, state: Mapping[str, Any]) -> None:
    portfolio, log = account.portfolio, {order.id: order for order in account.broker.orders.log}
    portfolio.cash, portfolio.worth = state["cash"], None
    dict.update(portfolio.prices, state["prices"])
    for position in unpack_all(Position, state["positions"]):
        portfolio.positions[position.symbol] = position
        dict.__setitem__(portfolio.position_views, position.symbol, position_view(position))
    list.extend(portfolio.closed_positions, unpack_all(ClosedPosition, state["closed_positions"]))
    list.extend(portfolio.transactions, unpack_all(Transaction, state["transactions"]))
    portfolio.orders = OpenOrders(log[id] for id in state["orders"])


def _broker(broker: Broker) -> dict[str, Any]:
    return {
        "orders": pack_all(broker.orders.log),
        "ids": broker.orders.ids,
        "delisted": sorted(broker.delisted),
        "shares": dict(broker.shares),
        "shorts": broker.books.shorts,
        "costs": pack(broker.books.costs),
        "bookings": pack_all(broker.books.bookings),
        "notes": broker.notes.state(),
    }


def _restore_broker(broker: Broker, state: Mapping[str, Any]) -> None:
    orders, books = broker.orders, broker.books
    orders.log[:] = unpack_all(Order, state["orders"])
    orders.ids = state["ids"]
    broker.delisted.update(state["delisted"])
    broker.shares.update(state["shares"])
    books.shorts, books.costs = state["shorts"], unpack(Costs, state["costs"])
    books.bookings[:] = unpack_all(Booking, state["bookings"])
    broker.notes.restore(state["notes"])
