"""Orders that end with others or with a position: reduce-only, one-cancels-other, brackets; notices and the log."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from stockstream.analytics.backtest import Action, Order, Portfolio
from stockstream.analytics.backtest.model import Status
from stockstream.analytics.backtest.report import write_result
from tests.analytics.backtest._bars import Scripted, fills, notes, of, play, trade

FLAT = "\n".join(f"{number} 100 100 100 100 1000" for number in range(1, 9))
UP_THEN_DOWN = """
1 100 100 100 100 1000
2 100 100 100 100 1000
3 111 112 109 110 1000
4 100 100 100 100 1000
5 89 89 89 89 1000
6 89 89 89 89 1000
"""


class Listener(Scripted):
    """Follows a script, and records the orders that were not filled, at the time of the notice."""

    def on_start(self, symbols: object, portfolio: Portfolio) -> None:
        self.unfilled: list[tuple[int, Status, str]] = []

    def on_order_unfilled(self, order: Order, portfolio: Portfolio) -> None:
        self.unfilled.append((order.id, order.status, order.end_reason))


def ends(orders: list[Order]) -> list[tuple[int, str, str]]:
    return [(order.id, order.status.value, order.end_reason) for order in orders]


def test_a_reduce_only_order_never_opens_a_position() -> None:
    """Without it, the stop would sell 10 shares short on day 5, after the limit has closed the position on day 3."""
    exits = [Action.sell(10, stop=90, reduce_only=True), Action.sell(10, limit=110, reduce_only=True)]
    result = play({1: Action.buy(10), 2: exits}, UP_THEN_DOWN)
    assert fills(result) == [(2, 10, 100), (3, -10, 111)]
    assert ends(result.orders)[1] == (2, "cancelled", "the position is closed")
    assert not result.open_positions


def test_a_reduce_only_order_is_cut_to_the_position() -> None:
    result = play({1: Action.buy(4), 2: Action.sell(10, reduce_only=True)}, FLAT)
    assert fills(result) == [(2, 4, 100), (3, -4, 100)]
    assert (result.orders[1].status, result.orders[1].filled) == (Status.cancelled, -4)


def test_a_reduce_only_order_without_a_position_is_cancelled_when_it_would_fill() -> None:
    result = play({1: Action.sell(10, limit=110, reduce_only=True)}, UP_THEN_DOWN)
    assert fills(result) == []
    assert ends(result.orders) == [(1, "cancelled", "there is no position to reduce")]


def test_a_reduce_only_order_waits_for_the_entry_that_was_ordered_with_it() -> None:
    """The entry fills at the open of day 2, and does not end the exit that was ordered on the same day."""
    result = play({1: [Action.sell(10, limit=110, reduce_only=True), Action.buy(10)]}, UP_THEN_DOWN)
    assert fills(result) == [(2, 10, 100), (3, -10, 111)]


def test_one_order_cancels_the_other() -> None:
    pair = [Action.buy(3, limit=95, oco="entry"), Action.buy(3, stop=109, oco="entry")]
    result = play({1: pair}, UP_THEN_DOWN)
    assert fills(result) == [(3, 3, 111)]
    assert ends(result.orders)[0] == (1, "cancelled", "order 2 was filled")
    assert result.orders[0].ended == date(2024, 1, 3)


def test_one_order_cancels_those_in_other_symbols_too() -> None:
    pair = [Action.buy(3, limit=99, symbol="BBB", oco="either"), Action.buy(3, limit=100, oco="either")]
    result = play({1: pair}, FLAT + "\n" + of("BBB", UP_THEN_DOWN))
    assert [(fill.symbol, fill.quantity) for fill in result.transactions] == [("AAA", 3)]


def test_a_partial_fill_takes_the_same_fraction_from_the_other() -> None:
    """4 of 8 shares fill on day 2 (half of a volume of 8), so that 3 of the other 6 are left, which fill on day 5."""
    bars = UP_THEN_DOWN.replace("2 100 100 100 100 1000", "2 99 99 99 99 8").replace(
        "3 111 112 109 110", "3 111 111 111 111"
    )
    pair = [Action.buy(8, limit=99, day=True, oco="x"), Action.buy(6, limit=90, oco="x")]
    result = play({1: pair}, bars, volume_limit=0.5)
    assert fills(result) == [(2, 4, 99), (5, 3, 89)]
    assert ends(result.orders) == [(1, "expired", "valid for one session"), (2, "filled", "")]


def test_a_fraction_of_whole_shares_is_rounded_down() -> None:
    """2 of 3 shares fill: a third of 5 is 1.67, of which 1 is left."""
    bars = FLAT.replace("2 100 100 100 100 1000", "2 99 99 99 99 4")
    pair = [Action.buy(3, limit=99, day=True, oco="x"), Action.buy(5, limit=98, oco="x")]
    result = play({1: pair}, bars, volume_limit=0.5)
    assert (result.orders[1].quantity, result.orders[1].status) == (1, Status.open)


def test_the_exits_of_a_bracket_grow_with_the_fills_of_its_entry() -> None:
    """Two fills of 5 make one stop-loss and one take-profit of 10 shares, not four exits of 5."""
    bars = """
    1 100 100 100 100 10
    2 100 100 100 100 10
    3 100 100 100 100 10
    4 120 120 120 120 1000
    """
    result = play({1: Action.buy(10, stop_loss=90, take_profit=115, tag="mine")}, bars, volume_limit=0.5)
    assert fills(result) == [(2, 5, 100), (3, 5, 100), (4, -10, 120)]
    assert [(order.id, order.reason, order.parent, order.tag) for order in result.orders] == [
        (1, "", None, "mine"), (2, "stop-loss", 1, "mine"), (3, "take-profit", 1, "mine"),
    ]  # fmt: skip
    assert ends(result.orders) == [(1, "filled", ""), (2, "cancelled", "the take-profit was filled"), (3, "filled", "")]


def test_what_is_left_of_an_entry_ends_with_its_exit() -> None:
    """5 of 10 shares are bought on day 2 and stopped on day 3; the limit must not buy the other 5 on day 4."""
    bars = """
    1 100 100 100 100 1000
    2 99 99 99 99 10
    3 89 89 89 89 1000
    4 89 89 89 89 1000
    """
    result = play({1: Action.buy(10, limit=99, stop_loss=90)}, bars, volume_limit=0.5)
    assert fills(result) == [(2, 5, 99), (3, -5, 89)]
    assert ends(result.orders) == [(1, "cancelled", "its stop-loss was filled"), (2, "filled", "")]


def test_a_strategy_hears_of_every_order_that_is_not_filled() -> None:
    """In the order of the events: too dear (day 2), expired (day 2), cancelled (after day 3), without a bar (day 4)."""
    strategy = Listener(
        {
            1: [Action.buy(1000), Action.buy(1, limit=50, day=True), Action.buy(1, limit=40), Action.buy(1, limit=41)],
            3: Action.cancel(3),
            4: [Action.buy(1, symbol="BBB"), Action.cancel()],
        }
    )
    result = play(strategy, FLAT + "\n" + of("BBB", "7 5 5 5 5 100"))
    assert strategy.unfilled == [
        (1, Status.rejected, "it costs 100,000.00, and there is 1,000.00"),
        (2, Status.expired, "valid for one session"),
        (3, Status.cancelled, "by the strategy"),
        (5, Status.rejected, "the symbol has had no bar so far"),
        (4, Status.cancelled, "by the strategy"),
    ]
    assert sorted(strategy.unfilled) == [(order.id, order.status, order.end_reason) for order in result.orders]


def test_an_answer_of_a_notice_is_an_error() -> None:
    class Answers(Listener):
        def on_order_unfilled(self, order: Order, portfolio: Portfolio) -> None:
            return Action.buy(1)  # type: ignore[return-value]

    result = trade(Answers({1: Action.buy(1000)}), FLAT)
    assert result.error is not None
    assert "on_order_unfilled returned Action(" in result.error


def test_orders_are_cancelled_by_their_tag() -> None:
    orders = [Action.buy(1, limit=50, tag="a"), Action.buy(1, limit=51, tag="a"), Action.buy(1, limit=52, tag="b")]
    result = play({1: orders, 2: Action.cancel("a")}, FLAT)
    assert [order.status for order in result.orders] == [Status.cancelled, Status.cancelled, Status.open]


def test_an_order_to_cancel_that_does_not_exist_is_a_note() -> None:
    result = play({1: [Action.cancel(7), Action.cancel("typo")]}, FLAT)
    assert notes(result) == [
        (1, "AAA", "no open order 7 to cancel (the first of them)"),
        (1, "AAA", "no open order 'typo' to cancel (the first of them)"),
    ]


@pytest.mark.parametrize("name", ["tag", "oco"])
def test_a_tag_is_a_text(name: str) -> None:
    keywords: dict[str, object] = {name: 7}
    result = trade({1: Action.buy(1, **keywords)}, FLAT)  # type: ignore[arg-type]
    assert result.error == f"Scripted on 2024-01-01: an order for AAA with {name}=7: it must be a text"


def test_all_orders_are_in_a_file(tmp_path: Path) -> None:
    result = play({1: [Action.buy(2, stop_loss=90, tag="in"), Action.buy(1, limit=50)]}, UP_THEN_DOWN)
    write_result(result, tmp_path)
    rows = duckdb.sql(
        f"SELECT id, kind, quantity, status, price, ended, reason, tag FROM '{tmp_path}/orders.parquet' ORDER BY id"
    ).fetchall()
    assert rows == [
        (1, "market", 2, "filled", 100, date(2024, 1, 2), None, "in"),
        (2, "limit", 1, "open", 0, None, None, None),
        (3, "stop", -2, "filled", 89, date(2024, 1, 5), "stop-loss", "in"),
    ]
