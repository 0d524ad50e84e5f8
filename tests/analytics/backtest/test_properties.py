"""For any bars and orders, a second set of books reproduces the account, and no rule of execution is broken.

The second set of books uses only the bars and the result's transactions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stockstream.analytics.backtest import Action, Data, Order, Portfolio, Result, Strategy, Transaction
from tests.analytics.backtest._bars import FREE, day, play, table_of

CAPITAL = 1000.0
SYMBOLS = ("AAA", "BBB", "CCC")
PRICES = [2.0, 4.75, 5.0, 5.25, 8.0, 10.0, 20.0, 37.5]
LATE = 60
"""Number of a last day long after the one before it."""


@dataclass(frozen=True)
class Bar:
    """A bar, with the dividend and the split before its open."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    dividend: float
    split: float


def bar_of(prices: tuple[float, float, float, float], volume: float, dividend: float, split: float) -> Bar:
    return Bar(prices[0], max(prices), min(prices), prices[1], volume, dividend, split)


price = st.sampled_from(PRICES)
bar = st.builds(
    bar_of,
    st.tuples(price, price, price, price),
    st.sampled_from([0.0, 19.0, 100.0, 1000.0]),
    st.sampled_from([0.0] * 6 + [0.25, 1.0]),
    st.sampled_from([1.0] * 8 + [2.0, 1.5, 0.1]),
)
sessions = st.lists(st.tuples(*[st.one_of(bar, bar, bar, bar, st.none()) for _ in SYMBOLS]), min_size=3, max_size=12)

shares = st.sampled_from([-100, -60, -20, -5, 1, 5, 20, 60, 100, 2.5])
common = {"quantity": shares, "symbol": st.sampled_from(SYMBOLS), "day": st.booleans()}
action = st.one_of(
    st.builds(Action, **common),
    st.builds(Action, **common, limit=price),
    st.builds(Action, **common, stop=price),
    st.builds(Action, **common, stop=price, limit=price),
    st.builds(Action, **common, trail=st.sampled_from([0.5, 3.0])),
    st.builds(Action, **common, trail_percent=st.sampled_from([5.0, 30.0])),
    st.builds(Action, **common, stop_loss=price, take_profit=price),
    st.builds(Action, **common, limit=price, stop_loss=price),
    st.builds(Action.close, symbol=common["symbol"]),
    st.builds(Action.cancel, symbol=common["symbol"]),
)
account = st.fixed_dictionaries(
    {
        "leverage": st.sampled_from([1, 2]),
        "allow_short": st.booleans(),
        "volume_limit": st.sampled_from([None, 0.1, 0.55]),
        "fill_at": st.sampled_from(["open", "close", "vwap"]),
        "commission": st.sampled_from(["zero", "0.1%", "0.01/share"]),
        "slippage": st.sampled_from(["none", "50bps", "0.02/share", "volume-share 0.2"]),
        "borrow_rate": st.sampled_from([0, 0.1]),
        "interest_rate": st.sampled_from([0, 0.2]),
        "at_end": st.sampled_from(["hold", "close"]),
        "delist_after": st.sampled_from([1, 2, 21]),
    }
)


class Random(Strategy):
    """Follows a script of actions per session; checks each fill."""

    def __init__(self, script: list[list[Action]]) -> None:
        self.script = iter(script)
        self.decided: set[tuple[date, str | None]] = set()
        self.orders: dict[int, Order] = {}

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Return no action."""

    def on_bar_end(self, date: date, portfolio: Portfolio) -> list[Action]:
        """Return the actions for symbols that have traded so far."""
        actions = [one for one in next(self.script, []) if one.symbol in portfolio.prices]
        self.decided |= {(date, one.symbol) for one in actions}
        return actions

    def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:
        """Check the limit now, because a later split changes it."""
        self.orders[order.id] = replace(order)  # a copy: its reason may change
        transaction = portfolio.transactions[-1]
        assert transaction.order == order.id
        if order.limit is not None:
            assert transaction.price <= order.limit if transaction.quantity > 0 else transaction.price >= order.limit
        assert abs(order.filled) <= abs(order.quantity) + 1e-9
        assert order.filled * order.quantity > 0


@dataclass
class Books:
    """The second set of books: cash, shares and last prices."""

    given: dict[str, Any]
    cash: float = CAPITAL
    held: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SYMBOLS, 0.0))
    prices: dict[str, float] = field(default_factory=dict)
    ended: list[tuple[str, date, bool]] = field(default_factory=list)
    """Closed trades: symbol, last day, whether it was long."""
    borrow: float = 0.0
    interest: float = 0.0

    def charge(self, days: int) -> None:
        """Charge borrow fees and interest for the days since the last session."""
        short = -sum(min(shares, 0) * self.prices[symbol] for symbol, shares in self.held.items() if shares)
        cost = short * self.given["borrow_rate"] * days / 365
        self.borrow, self.cash = self.borrow + cost, self.cash - cost
        cost = max(-self.cash, 0) * self.given["interest_rate"] * days / 365
        self.interest, self.cash = self.interest + cost, self.cash - cost

    def close_out(self, symbol: str, shares: float, today: date) -> None:
        """Convert shares into cash at the last price."""
        self.cash += shares * self.prices[symbol]
        self.move(symbol, -shares, today)

    def move(self, symbol: str, shares: float, today: date) -> None:
        """Change the position; a trade ends when it becomes zero or changes sides."""
        before, after = self.held[symbol], self.held[symbol] + shares
        if abs(after) < 1e-9:
            after = 0.0
        if before and before * after <= 0:
            self.ended.append((symbol, today, before > 0))
        self.held[symbol] = after

    def split(self, symbol: str, ratio: float, today: date) -> None:
        """Convert each share into `ratio` shares; a fraction of a whole position is paid in cash."""
        was_whole = self.held[symbol] == round(self.held[symbol])
        self.held[symbol] *= ratio
        self.prices[symbol] /= ratio
        fraction = math.copysign(abs(self.held[symbol]) - math.floor(abs(self.held[symbol]) + 1e-9), self.held[symbol])
        if was_whole and abs(fraction) > 1e-9:
            self.close_out(symbol, fraction, today)

    def fill(self, transaction: Transaction) -> None:
        """Book a fill; with leverage 1, fills that add to a position are paid from cash."""
        adds = abs(self.held[transaction.symbol] + transaction.quantity) > abs(self.held[transaction.symbol])
        self.cash -= transaction.quantity * transaction.price + transaction.commission
        self.move(transaction.symbol, transaction.quantity, transaction.date)
        if adds and self.given["leverage"] == 1:
            assert self.cash >= -1e-5
        if not self.given["allow_short"]:
            assert self.held[transaction.symbol] >= 0

    @property
    def values(self) -> tuple[float, float, float, float]:
        """Return equity, cash, long and short values."""
        values = [shares * self.prices[symbol] for symbol, shares in self.held.items() if shares]
        long, short = sum(value for value in values if value > 0), sum(value for value in values if value < 0)
        return self.cash + long + short, self.cash, long, short


def assert_allowed(transaction: Transaction, today: Bar, order: Order, previous: date, strategy: Random) -> None:
    """Check a fill against its bar and its order."""
    slipped = math.copysign(transaction.slippage / abs(transaction.quantity), transaction.quantity)
    assert today.low - 1e-9 <= transaction.price - slipped <= today.high + 1e-9
    assert transaction.slippage >= 0
    if order.reason in ("stop-loss", "take-profit"):
        assert order.created <= transaction.date
    else:
        assert order.created < transaction.date
        assert order.reason == "margin call" or (order.created, order.symbol) in strategy.decided
    if order.day:
        assert order.created == previous


def assert_volume(fills: list[Transaction], today: dict[str, Bar], limit: float | None) -> None:
    """Check that no more was traded than the limit allows; an order of whole shares, of which only whole ones fill.

    A split between order and fill makes fractions of shares of it, which fill up to the limit itself.
    """
    for symbol, bar in today.items():
        sizes = [abs(one.quantity) for one in fills if one.symbol == symbol]
        if limit is not None and sizes:
            is_whole = all(size == int(size) for size in sizes)
            most = math.floor(limit * bar.volume) if is_whole else limit * bar.volume
            assert sum(sizes) <= most * (1 + 1e-9)


def close_delisted(books: Books, silent: dict[str, int], delist_after: int, today: date) -> None:
    for symbol, sessions in silent.items():
        if sessions >= delist_after and books.held[symbol]:
            books.close_out(symbol, books.held[symbol], today)


def assert_reconciles(result: Result, days: list[tuple[date, dict[str, Bar]]], strategy: Random, options: Any) -> None:
    books, curve = Books(options), result.curve
    silent = dict.fromkeys(SYMBOLS, 0)  # sessions since the last bar
    previous, left = days[0][0], list(result.transactions)
    assert curve.dates == [one for one, _ in days]
    for at, (today, bars) in enumerate(days):
        books.charge((today - previous).days)
        close_delisted(books, silent, options["delist_after"], today)
        for symbol, bar in bars.items():
            if symbol in books.prices:
                books.split(symbol, bar.split, today)
            books.cash += books.held[symbol] * bar.dividend
        fills = [one for one in left if one.date == today]
        closing = {id(one) for one in fills if strategy.orders[one.order].reason == "end of run"}
        for fill in (one for one in fills if id(one) not in closing):
            assert_allowed(fill, bars[fill.symbol], strategy.orders[fill.order], previous, strategy)
            books.fill(fill)
        assert_volume([one for one in fills if id(one) not in closing], bars, options["volume_limit"])
        books.prices |= {symbol: bar.close for symbol, bar in bars.items()}
        silent = {symbol: 0 if symbol in bars else count + 1 for symbol, count in silent.items()}
        if at == len(days) - 1:
            close_delisted(books, silent, options["delist_after"], today)
        for fill in (one for one in fills if id(one) in closing):
            assert at == len(days) - 1
            books.fill(fill)
        recorded = (curve.equity[at], curve.cash[at], curve.long[at], curve.short[at])
        assert tuple(map(float, recorded)) == pytest.approx(books.values, rel=1e-9, abs=1e-6)
        if options["leverage"] == 1 and not options["allow_short"]:
            assert books.cash >= -1e-5
            assert books.interest == books.borrow == 0
        previous = today
    assert_sums(result, books)
    assert_ledger(result, books)


def assert_ledger(result: Result, books: Books) -> None:
    """The amounts add up to the cash, to the last digit: at the end, and at each close."""
    cash = 0.0
    for entry in result.ledger:
        cash += entry.amount
        assert entry.cash == cash
    assert result.curve.cash[-1] == cash
    closes = {entry.date: entry.cash for entry in result.ledger}
    expected = None
    for session, value in zip(result.curve.dates, result.curve.cash.tolist(), strict=True):
        expected = closes.get(session, expected)
        assert value == expected
    fills = [(one.date, one.symbol, one.quantity) for one in result.ledger if one.kind in ("buy", "sell")]
    assert fills == [(one.date, one.symbol, one.quantity) for one in result.transactions]
    sums: dict[str, float] = defaultdict(float)
    for entry in result.ledger:
        sums[entry.kind] += entry.amount
    assert -sums["borrow fee"] == pytest.approx(books.borrow, abs=1e-9)
    assert -sums["interest"] == pytest.approx(books.interest, abs=1e-9)
    dividends = sum(one.dividends for one in [*result.closed_positions, *result.open_positions])
    assert sums["dividend"] == pytest.approx(dividends, abs=1e-9)
    known = {"initial capital", "buy", "sell", "dividend", "split", "delisted", "borrow fee", "interest"}
    assert sums.keys() <= known


def assert_sums(result: Result, books: Books) -> None:
    """Trades last from flat to flat; their profits less borrow fees and interest are the account's profit."""
    trades = [(one.symbol, one.exit_date, one.quantity > 0) for one in result.closed_positions]
    assert sorted(trades) == sorted(books.ended)
    assert {one.symbol: one.quantity for one in result.open_positions} == pytest.approx(
        {symbol: shares for symbol, shares in books.held.items() if shares}
    )
    earned = sum(one.pnl for one in result.closed_positions) + sum(one.pnl for one in result.open_positions)
    equity = books.values[0]
    assert earned - books.borrow - books.interest == pytest.approx(equity - CAPITAL, rel=1e-9, abs=1e-6)
    costs = result.costs
    assert (costs.borrow, costs.interest) == pytest.approx((books.borrow, books.interest), abs=1e-9)
    assert costs.commission == pytest.approx(sum(one.commission for one in result.transactions), abs=1e-9)
    assert costs.slippage == pytest.approx(sum(one.slippage for one in result.transactions), abs=1e-9)


@given(sessions, st.lists(st.lists(action, max_size=3), min_size=3, max_size=12), account, st.booleans())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_the_books_can_be_kept_again_and_no_rule_is_broken(
    bars: list[tuple[Bar | None, ...]], script: list[list[Action]], account: dict[str, Any], is_late: bool
) -> None:
    days = [
        (day(LATE if is_late and at == len(bars) - 1 else at + 2), dict(zip(SYMBOLS, row, strict=True)))
        for at, row in enumerate(bars)
    ]
    traded = [(one, {symbol: bar for symbol, bar in row.items() if bar}) for one, row in days]
    traded = [(one, row) for one, row in traded if row]
    if not traded:
        return
    rows = [
        (symbol, one, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.dividend, bar.split)
        for one, row in traded
        for symbol, bar in row.items()
    ]
    strategy, options = Random(script), FREE | account
    result = play(strategy, table_of(rows), **options)
    assert_reconciles(result, traded, strategy, options)
