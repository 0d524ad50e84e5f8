"""What an account shows of itself, to the command line, the API and the pages: read from the lake, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from stockstream.analytics.backtest.engine import Records, records_of
from stockstream.analytics.paper.account import Account
from stockstream.analytics.paper.ledger import Ledger, Position, account_names
from stockstream.analytics.paper.marking import LiveMark, mark
from stockstream.analytics.paper.report import Comparison
from stockstream.pipeline.errors import StockStreamError
from stockstream.pipeline.lake import Lake

Phase = Literal["active", "stopped", "failed"]
NOTICE = "No order leaves for a broker."


@dataclass(frozen=True)
class Held:
    """A position at the last close."""

    symbol: str
    quantity: float
    entry_date: date
    entry_price: float
    price: float
    value: float
    pnl: float


@dataclass(frozen=True)
class Filled:
    """A fill."""

    date: date
    symbol: str
    quantity: float
    price: float
    commission: float
    kind: str


@dataclass(frozen=True)
class Ordered:
    """An order for the next session."""

    id: int
    symbol: str
    quantity: float
    kind: str
    text: str


@dataclass(frozen=True)
class Compared:
    """The account beside the backtest of the same days, on the generation of the last step."""

    generation: int
    session: date
    is_equal: bool
    different_sessions: int
    differences: list[dict[str, Any]]
    """Sessions whose bars or columns are others now: session, symbols, account_equity, backtest_equity."""
    first_other_equity: date | None
    account_equity: float
    backtest_equity: float | None
    """None: the backtest fails."""
    error: str | None


@dataclass(frozen=True)
class AccountSummary:
    """An account in a list."""

    name: str
    phase: Phase
    strategy: str | None
    params: dict[str, Any]
    first_session: date | None
    session: date | None
    """The last one."""
    sessions: int
    generation: int | None
    """The generation of the last session."""
    initial_capital: float | None
    equity: float | None
    return_percent: float | None
    cash: float | None
    positions: int
    orders: int
    """For the next session."""
    is_equal: bool | None
    """Whether the account is the backtest of the same days, on the generation of the last step; None: not compared."""
    error: str | None
    """Why the last step failed, or the account cannot be read."""
    live: LiveMark | None
    """The equity at live bars of a later session."""


@dataclass(frozen=True)
class AccountDetail:
    """An account."""

    summary: AccountSummary
    market: str
    settings: dict[str, Any]
    started_at: str
    stopped_at: str | None
    positions: list[Held]
    fills: list[Filled]
    """Of the last session."""
    orders: list[Ordered]
    """For the next session."""
    comparison: Compared | None
    notes: list[str]
    dates: list[date]
    equity: list[float]
    """Per date."""
    backtest: list[float | None]
    """The equity of the backtest per date, if it is another one; otherwise empty."""
    all_fills: list[Filled] = field(default_factory=list)
    notice: str = NOTICE


def summaries(lake: Lake) -> list[AccountSummary]:
    """Return the accounts of a lake; of one that cannot be read, why.

    Raises:
        LakeError: the lake cannot be listed.
    """
    return [_summary_or_error(lake, name) for name in account_names(lake)]


def detail(lake: Lake, ledger: Ledger) -> AccountDetail:
    """Return all of an account.

    Raises:
        LakeError: an object of the account is damaged or gone, or the lake cannot be read.
    """
    position = ledger.read()
    account, report, stop = position.account, ledger.report(), ledger.stopped()
    records = records_of(position.engine) if position.engine is not None else None
    session = position.state.session if position.state else None
    fills = [_filled(one) for one in records.transactions] if records else []
    comparison = report.comparison if report else None
    dates = list(records.dates) if records else []
    now = dict(comparison.backtest) if comparison else {}
    return AccountDetail(
        summary=_summary(lake, ledger, position, records),
        market=account.market,
        settings=account.settings,
        started_at=account.started_at,
        stopped_at=stop.stopped_at if stop else None,
        positions=[
            Held(one.symbol, one.quantity, one.entry_date, one.entry_price, one.price, one.value, one.pnl)
            for one in sorted(records.positions if records else (), key=lambda one: one.symbol)
        ],
        fills=[one for one in fills if one.date == session],
        orders=[
            Ordered(one.id, one.symbol, one.quantity, one.kind, one.text)
            for one in (position.state.orders if position.state else ())
        ],
        comparison=_compared(comparison) if comparison else None,
        notes=[*(report.notes if report else ()), *(str(note.text) for note in (records.notes if records else ()))],
        dates=dates,
        equity=list(records.equity) if records else [],
        backtest=[now.get(day) for day in dates] if now else [],
        all_fills=fills,
    )


def _summary_or_error(lake: Lake, name: str) -> AccountSummary:
    try:
        ledger = Ledger(lake, name)
        position = ledger.read()
        records = records_of(position.engine) if position.engine is not None else None
        return _summary(lake, ledger, position, records)
    except StockStreamError as error:
        return _unreadable(name, str(error))


def _summary(lake: Lake, ledger: Ledger, position: Position, records: Records | None) -> AccountSummary:
    account, state, report = position.account, position.state, ledger.report()
    capital = float(account.settings["initial_capital"])
    error = report.error if report else None
    phase: Phase = "stopped" if ledger.stopped() else "failed" if error else "active"
    comparison = report.comparison if report else None
    return AccountSummary(
        name=ledger.name,
        phase=phase,
        strategy=strategy_name(account),
        params=account.params,
        first_session=position.sessions[0] if position.sessions else None,
        session=state.session if state else None,
        sessions=len(position.sessions),
        generation=state.generation if state else None,
        initial_capital=capital,
        equity=state.equity if state else capital,
        return_percent=100 * (state.equity / capital - 1) if state else 0.0,
        cash=state.cash if state else capital,
        positions=len(records.positions) if records else 0,
        orders=len(state.orders) if state else 0,
        is_equal=comparison.is_equal if comparison else None,
        error=error,
        live=mark(lake, records, state.session) if records and state else None,
    )


def strategy_name(account: Account) -> str:
    """Return the name of the class of an account's strategy."""
    return account.strategy.rpartition(":")[2]


def _unreadable(name: str, error: str) -> AccountSummary:
    return AccountSummary(
        name, "failed", None, {}, None, None, 0, None, None, None, None, None, 0, 0, None, error, None
    )  # fmt: skip


def _filled(one: Any) -> Filled:
    return Filled(one.date, one.symbol, one.quantity, one.price, one.commission, one.kind)


def _compared(one: Comparison) -> Compared:
    return Compared(
        generation=one.generation,
        session=one.session,
        is_equal=one.is_equal,
        different_sessions=one.different_sessions,
        differences=[difference.model_dump(mode="json") for difference in one.differences],
        first_other_equity=one.first_other_equity,
        account_equity=one.account_equity,
        backtest_equity=one.backtest_equity,
        error=one.error,
    )


def texts_of(params: Mapping[str, Any]) -> Sequence[str]:
    """Return parameters as texts: `fast=20`."""
    return [f"{name}={value}" for name, value in params.items()]
