"""A strategy reads its account and changes nothing: a write is an error that names the strategy and the attribute."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import pytest

from stockstream.analytics.backtest import Action, Data, Order, Portfolio, Strategy
from stockstream.analytics.backtest.model import Position
from tests.analytics.backtest._bars import day, fills, number, play, trade

BARS = "\n".join(f"{n} 10 11 9 10 1000" for n in range(1, 8))


class Holder(Strategy):
    """Has a closed trade, an open position and an open order on day 5; then does something with its account."""

    def __init__(self, then: Callable[[Portfolio], object]) -> None:
        self.then = then

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | list[Action] | None:
        """Trade."""
        if number(date) == 5:
            self.then(portfolio)
        script = {1: Action.buy(3), 2: Action.sell(3), 3: [Action.buy(5), Action.buy(1, limit=5)]}
        return script.get(number(date))


def set_attribute(read: Callable[[Portfolio], Any], name: str) -> Callable[[Portfolio], None]:
    return lambda portfolio: setattr(read(portfolio), name, 1)


def set_item(name: str, key: Any) -> Callable[[Portfolio], None]:
    return lambda portfolio: getattr(portfolio, name).__setitem__(key, 1)


@pytest.mark.parametrize(
    ("write", "attribute"),
    [
        (set_attribute(lambda portfolio: portfolio, "cash"), "portfolio.cash"),
        (set_attribute(lambda portfolio: portfolio, "positions"), "portfolio.positions"),
        (set_attribute(lambda portfolio: portfolio, "anything"), "portfolio.anything"),
        (lambda portfolio: delattr(portfolio, "cash"), "portfolio.cash"),
        (set_item("positions", "AAA"), "portfolio.positions"),
        (lambda portfolio: portfolio.positions.pop("AAA"), "portfolio.positions"),
        (lambda portfolio: portfolio.positions.clear(), "portfolio.positions"),
        (set_item("prices", "AAA"), "portfolio.prices"),
        (lambda portfolio: portfolio.prices.update(AAA=1), "portfolio.prices"),
        (set_attribute(lambda portfolio: portfolio.positions["AAA"], "quantity"), "position.quantity"),
        (set_attribute(lambda portfolio: next(iter(portfolio.positions.values())), "paid"), "position.paid"),
        (set_attribute(lambda portfolio: portfolio.orders[0], "limit"), "order.limit"),
        (set_attribute(lambda portfolio: portfolio.open_orders("AAA")[0], "status"), "order.status"),
        (lambda portfolio: portfolio.orders.clear(), "portfolio.orders"),
        (set_item("orders", 0), "portfolio.orders"),
        (lambda portfolio: portfolio.transactions.pop(), "portfolio.transactions"),
        (
            lambda portfolio: portfolio.closed_positions.append(portfolio.closed_positions[0]),
            "portfolio.closed_positions",
        ),
    ],
)
def test_a_write_to_the_account_is_an_error_that_names_it(write: Callable[[Portfolio], object], attribute: str) -> None:
    result = trade(Holder(write), BARS)
    message = f"Holder.on_data failed on {day(5)} at AAA: ReadOnlyError: {attribute} is read-only"
    assert (result.error or "").startswith(message)


def test_a_write_to_the_order_of_a_callback_is_an_error() -> None:
    class Writer(Holder):
        def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:
            order.filled = 0

    result = trade(Writer(lambda portfolio: None), BARS)
    assert (result.error or "").startswith(
        f"Writer.on_order_filled failed on {day(2)} at AAA: ReadOnlyError: order.filled"
    )


def test_a_write_that_the_strategy_catches_changes_nothing() -> None:
    def write(portfolio: Portfolio) -> None:
        with pytest.raises(Exception, match="read-only"):
            portfolio.cash = 10**9

    assert play(Holder(write), BARS).curve.cash[-1] == 1000 - 5 * 10


def test_everything_can_be_read_also_later() -> None:
    read: dict[str, Any] = {}

    def collect(portfolio: Portfolio) -> None:
        read.update(
            portfolio=portfolio, position=portfolio.positions["AAA"], order=portfolio.orders[0],
            positions=portfolio.positions, copy=replace(portfolio.orders[0]), fields=asdict(portfolio.positions["AAA"]),
        )  # fmt: skip
        assert isinstance(portfolio, Portfolio)
        assert isinstance(portfolio.positions["AAA"], Position)
        assert portfolio.orders[0] == portfolio.open_orders("AAA")[0]
        assert len({portfolio.orders[0], portfolio.orders[0]}) == 1
        assert (portfolio.equity, portfolio.exposure, portfolio.buying_power) == (1000, 50, 950)
        assert (portfolio.quantity("AAA"), portfolio.price("AAA"), portfolio.initial_capital) == (5, 10, 1000)
        assert [fill.quantity for fill in portfolio.transactions] == [3, -3, 5]

    play(Holder(collect), BARS + "\n8 4 4 4 4 1000")
    assert (read["position"].quantity, read["order"].filled, read["order"].status.value) == (6, 1, "filled")
    assert (read["copy"].filled, read["fields"]["quantity"]) == (0, 5)
    assert read["portfolio"].positions is read["positions"]
    for kept in (copy.copy(read["order"]), copy.deepcopy(read["order"]), pickle.loads(pickle.dumps(read["order"]))):
        assert kept.filled == 1
        kept.filled = 2
    assert read["order"].filled == 1
    assert pickle.loads(pickle.dumps(read["positions"])).keys() == {"AAA"}


def test_values_of_the_account_are_not_computed_again_for_each_size() -> None:
    class Counted(dict[str, Position]):
        reads = 0

        def values(self) -> Any:
            self.reads += 1
            return super().values()

    positions = Counted(
        AAA=Position("AAA", 3, 10, day(1), is_long=True), BBB=Position("BBB", -1, 9, day(1), is_long=False)
    )
    portfolio = Portfolio(1000, 900, positions=positions, prices={"AAA": 20.0, "BBB": 5.0})
    for _ in range(10):
        assert (portfolio.equity, portfolio.exposure, portfolio.buying_power) == (955, 65, 890)
    assert positions.reads == 1


def test_values_of_the_account_follow_each_fill_split_and_price() -> None:
    """Read at each fill, the equity is cash and positions at the last close."""
    equity: list[tuple[int, float]] = []

    class Reader(Strategy):
        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
            equity.append((number(date), portfolio.equity))
            return {1: Action.buy(10), 2: Action.sell(25)}.get(number(date))

        def on_order_filled(self, order: Order, portfolio: Portfolio) -> None:
            equity.append((number(order.ended or date.min), portfolio.equity))

    bars = "1 10 10 10 10 1000\n2 12 12 12 12 1000\n3 6 6 6 6 1000 split=2\n4 8 8 8 8 1000"
    result = play(Reader(), bars)
    assert fills(result) == [(2, 10, 12), (3, -50, 6)]
    assert equity == [(1, 1000), (2, 1000 - 10 * 2), (2, 1000), (3, 1000), (3, 1000), (4, 1000 - 30 * 2)]
