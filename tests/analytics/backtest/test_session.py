"""A session-by-session run that is saved and continued, with a JSON text in between, equals a backtest bit for bit."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stockstream.analytics.backtest import Action, Data, Order, Portfolio, Result, Session, Strategy, backtest
from stockstream.analytics.backtest.engine import StrategyError
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.sql.errors import UsageError
from tests.analytics.backtest._bars import FREE, SRC, connection, day, table, table_of
from tests.analytics.backtest.test_properties import SYMBOLS, Bar, account, action, sessions

Make = Callable[[], Strategy]


def resumed(make: Make, cuts: set[int], **options: Any) -> Result:
    """Run a strategy session by session; after the numbers in `cuts`, go on in a new session from a JSON text."""

    def new() -> Session:
        return Session(make(), con=connection(), src=SRC, **options)

    session, number, goes_on = new(), 0, True
    while goes_on:
        goes_on = False
        for bars in session.bars():
            session.step(bars)
            number += 1
            if number in cuts:
                text = json.dumps(session.state(), allow_nan=False)
                session, goes_on = new(), True
                session.restore(json.loads(text))
                break
    return session.result()


def texts(result: Result) -> list[str]:
    """Return everything that a run leaves, as texts that differ if a bit does."""
    curve = result.curve
    values = [getattr(curve, name).tobytes().hex() for name in ("equity", "cash", "long", "short")]
    records = (
        result.closed_positions, result.open_positions, result.transactions, result.orders, result.ledger, result.notes,
    )  # fmt: skip
    return [repr(curve.dates), *values, *map(repr, records), repr(result.costs)]


def assert_equal(make: Make, cuts: set[int], **options: Any) -> Result:
    whole = backtest(make(), con=connection(), src=SRC, **options)
    assert whole.error is None, whole.error
    assert texts(resumed(make, cuts, **options)) == texts(whole)
    return whole


def walks(count: int = 120) -> Any:
    """Return bars of two symbols with splits, dividends and gaps."""
    rng, rows = np.random.default_rng(5), []
    for symbol in ("AAA", "BBB"):
        close = 50.0
        for number in range(1, count + 1):
            split = 2.0 if number == 60 and symbol == "AAA" else 1.0
            opening = close / split * float(np.exp(rng.normal(0, 0.01)))
            close = opening * float(np.exp(rng.normal(0, 0.03)))
            high, low = max(opening, close) * 1.01, min(opening, close) * 0.99
            if not (symbol == "BBB" and number % 17 == 0):
                dividend = 0.3 if number % 40 == 0 else 0.0
                rows.append((symbol, day(number), opening, high, low, close, 1e5, dividend, split))
    return table_of(rows)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_strategy_can_be_continued(name: str) -> None:
    connection().register(SRC, walks())
    options = {"commission": "0.1%", "slippage": "5bps", "leverage": 2, "borrow_rate": 0.1, "interest_rate": 0.1}
    parameters = {"MovingAverageCrossover": {"fast": 3, "slow": 8}, "RSIMeanReversion": {"n": 3}, "Momentum": {"n": 5}}
    parameters |= {"PairsTrade": {"n": 10, "entry": 1}, "BollingerBreakout": {"n": 5, "width": 1.0}}
    whole = assert_equal(lambda: SHIPPED[name](**parameters.get(name, {})), {1, 30, 31, 59, 60, 61, 100}, **options)
    assert whole.transactions


class Follower(Strategy):
    """Follows a script of actions per session; its only memory is the number of the session and of fills."""

    def __init__(self, script: list[list[Action]]) -> None:
        self.script = script
        self.number = 0
        self.fills: list[float] = []

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Return no action."""

    def on_bar_end(self, date: date, portfolio: Portfolio) -> list[Action]:
        """Return the actions for symbols that have traded so far."""
        actions = self.script[self.number] if self.number < len(self.script) else []
        self.number += 1
        return [one for one in actions if one.symbol in portfolio.prices]

    def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:
        """Remember the price and the equity."""
        self.fills += [order.price, portfolio.equity]


few = {"quantity": st.sampled_from([5, -5]), "symbol": st.sampled_from(SYMBOLS)}
extra = st.one_of(
    st.builds(Action, **few, exit_trail_percent=st.just(10.0)),
    st.builds(
        Action, **few, limit=st.sampled_from([5.0, 8.0]),
        oco=st.just("one"), reduce_only=st.booleans(), tag=st.just("mine"),
    ),
)  # fmt: skip


@given(
    sessions, st.lists(st.lists(st.one_of(action, extra), max_size=3), min_size=3, max_size=12), account,
    st.sets(st.integers(1, 12)),
)  # fmt: skip
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_run_can_be_continued_after_any_session(
    bars: list[tuple[Bar | None, ...]], script: list[list[Action]], account: dict[str, Any], cuts: set[int]
) -> None:
    rows = [
        (symbol, day(at + 2), bar.open, bar.high, bar.low, bar.close, bar.volume, bar.dividend, bar.split)
        for at, row in enumerate(bars)
        for symbol, bar in zip(SYMBOLS, row, strict=True)
        if bar
    ]
    if rows:
        connection().register(SRC, table_of(rows))
        assert_equal(lambda: Follower(script), cuts, **(FREE | account))


FLAT = "\n".join(f"{number} 10 10 10 10 1000" for number in range(1, 6))


class Keeper(Strategy):
    """Keeps something in an attribute."""

    def __init__(self, thing: Callable[[Data], Any] = lambda data: None) -> None:
        self.thing = thing
        self.columns = ()

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Keep it."""
        self.kept = self.thing(data)


SHARED: list[int] = []


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (lambda data: deque([1]), "Keeper.kept is of type deque"),
        (lambda data: (1, 2), "Keeper.kept is of type tuple"),
        (lambda data: {1: 2}, "Keeper.kept is a dict with keys that are not texts"),
        (lambda data: [1, {"a": {3}}], "Keeper.kept is of type set"),
        (lambda data: data, "Keeper.kept is of type Data"),
        (lambda data: float("nan"), "Keeper.kept is nan"),
        (lambda data: [SHARED, SHARED], "Keeper.kept has the same list or dict as Keeper.kept"),
    ],
)
def test_an_attribute_that_is_no_json_is_refused_by_name(thing: Callable[[Data], Any], words: str) -> None:
    connection().register(SRC, table(FLAT))
    with Session(Keeper(thing), con=connection(), src=SRC) as session:
        session.step(next(session.bars()))
        with pytest.raises(UsageError, match=words):
            session.state()


def test_a_strategy_may_save_itself() -> None:
    class Saver(Strategy):
        def __init__(self) -> None:
            self.closes: deque[float] = deque(maxlen=2)

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
            self.closes.append(data.close)
            return Action.buy(1) if len(self.closes) == 2 else None

        def state(self) -> list[float]:
            return list(self.closes)

        def restore(self, state: list[float]) -> None:
            self.closes.extend(state)

    connection().register(SRC, table(FLAT))
    assert len(assert_equal(Saver, {1, 3}, **FREE).transactions) == 3


def test_a_state_of_another_version_strategy_parameter_or_setting_is_refused() -> None:
    connection().register(SRC, table(FLAT))

    def new(strategy: Strategy, **options: Any) -> Session:
        return Session(strategy, con=connection(), src=SRC, **{**FREE, **options})

    first = new(Follower([]))
    first.step(next(first.bars()))
    state = json.loads(json.dumps(first.state()))
    assert state["version"] == 1
    with pytest.raises(UsageError, match="the state has version 2, and this program reads 1"):
        new(Follower([])).restore({**state, "version": 2})
    with pytest.raises(UsageError, match="the state was saved with strategy Follower, and here it is Keeper"):
        new(Keeper()).restore(state)
    with pytest.raises(UsageError, match=r"the state was saved with parameter script \[\], and here it is \[\[\]\]"):
        new(Follower([[]])).restore(state)
    with pytest.raises(UsageError, match=r"the state was saved with commission zero, and here it is 0.1%"):
        new(Follower([]), commission="0.1%").restore(state)
    with pytest.raises(UsageError, match=f"restore a state into a new session: this one has processed {day(1)}"):
        first.restore(state)
    with pytest.raises(UsageError, match=f"the session {day(1)} is not after {day(1)}, the last one"):
        first.step(next(new(Follower([])).bars()))


def test_a_strategy_that_fails_ends_the_session_with_its_error() -> None:
    connection().register(SRC, table(FLAT))
    session = Session(Keeper(lambda data: 1 / 0), con=connection(), src=SRC)
    with pytest.raises(StrategyError, match=f"Keeper.on_data failed on {day(1)} at AAA: ZeroDivisionError"):
        session.step(next(session.bars()))
    with pytest.raises(StrategyError, match="ZeroDivisionError"):
        session.state()
