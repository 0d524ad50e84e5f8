"""Where a bar leaves the path of prices open, the worse case is taken; a stop-loss holds until its position ends."""

from __future__ import annotations

import pytest

from stockstream.analytics.backtest import Action
from tests.analytics.backtest._bars import Script, fills, notes, play

FLAT = "1 100 100 100 100 1000\n"


@pytest.mark.parametrize(
    ("entry", "bar", "expected"),
    [
        pytest.param(Action.buy(10, limit=98, stop_loss=95), "100 101 90 99", 95, id="a limit falls on to its stop"),
        pytest.param(Action.sell(10, limit=102, stop_loss=105), "100 110 99 101", 105, id="a short limit rises on"),
        pytest.param(Action.buy(10, stop=102, stop_loss=99), "100 103 97 98", 99, id="a stop entry that closes below"),
        pytest.param(Action.buy(10, stop=102, take_profit=104), "100 106 99 105", 104, id="a stop entry that rises on"),
        pytest.param(
            Action.buy(10, stop=102, stop_loss=99, take_profit=104), "100 106 98 105", 99, id="both: the stop"
        ),
        pytest.param(Action.buy(10, limit=98, stop_loss=99), "100 101 96 100", 98, id="a stop above the entry"),
        pytest.param(
            Action.sell(10, limit=102, stop_loss=101), "100 104 99 100", 102, id="a short stop below the entry"
        ),
    ],
)
def test_an_exit_that_the_bar_of_the_entry_may_have_hit_fills_at_the_worse_price(
    entry: Action, bar: str, expected: float
) -> None:
    result = play({1: entry}, f"{FLAT}2 {bar} 1000\n3 100 100 100 100 1000", initial_capital=10_000)
    assert [(one[0], one[2]) for one in fills(result)][1:] == [(2, expected)]


def test_a_stop_and_a_limit_that_one_bar_touches_fill_in_the_worse_order() -> None:
    """The limit order is the older one; the stop order leaves no position for it."""
    script: Script = {1: Action.buy(10), 2: [Action.sell(10, limit=110), Action.sell(10, stop=90, reduce_only=True)]}
    result = play(script, f"{FLAT}2 100 100 100 100 1000\n3 100 112 88 100 1000\n4 100 100 100 100 1000")
    assert fills(result)[:2] == [(2, 10, 100), (3, -10, 90)]


def test_a_position_bought_at_the_average_price_of_a_bar_leaves_at_its_stop_in_that_bar() -> None:
    script: Script = {1: Action.buy(5, stop_loss=95, take_profit=150)}
    result = play(script, f"{FLAT}2 100 101 90 99 1000\n3 100 100 100 100 1000", fill_at="vwap")
    assert [one[2] for one in fills(result)] == [pytest.approx((101 + 90 + 99) / 3), pytest.approx(95)]


def test_a_stop_holds_until_the_order_to_close_fills() -> None:
    """The close order waits for the close of day 3, the stop is hit before it."""
    script: Script = {1: Action.buy(5, stop_loss=90, take_profit=150), 2: Action.close()}
    bars = f"{FLAT}2 100 100 100 100 1000\n3 100 100 80 85 1000\n4 85 85 85 85 1000"
    result = play(script, bars, fill_at="close")
    assert fills(result) == [(2, 5, 100), (3, -5, 90)]
    assert result.closed_positions[0].reason == "stop-loss"
    assert {one.end_reason for one in result.orders if one.status != "filled"} <= {
        "the stop-loss was filled", "the position is closed", "there is no position to reduce",
    }  # fmt: skip


def test_orders_that_reduce_end_with_the_order_to_close_and_open_nothing() -> None:
    """A stop for more shares than are held would sell short after the close."""
    script: Script = {1: Action.buy(5), 2: Action.sell(9, stop=90), 3: Action.close()}
    result = play(
        script, f"{FLAT}2 100 100 100 100 1000\n3 100 100 100 100 1000\n4 95 95 80 80 1000\n5 80 80 70 70 1000"
    )
    assert fills(result) == [(2, 5, 100), (4, -5, 95)]
    assert not result.open_positions


def test_a_second_order_to_close_replaces_the_first_and_entries_are_cancelled() -> None:
    script: Script = {1: Action.buy(5), 2: [Action.buy(1, limit=50), Action.close()], 3: Action.close()}
    bars = f"{FLAT}2 100 100 100 100 1000\n3 100 100 100 100 0\n4 40 40 40 40 1000\n5 40 40 40 40 1000"
    result = play(script, bars)
    assert fills(result) == [(2, 5, 100), (4, -5, 40)]
    assert [one.status.value for one in result.orders] == ["filled", "cancelled", "cancelled", "filled"]


def test_the_rest_of_an_entry_ends_with_its_exit() -> None:
    script: Script = {1: Action.buy(10, stop_loss=90)}
    bars = f"{FLAT}2 100 100 100 100 40\n3 95 95 85 88 40\n4 88 88 88 88 40\n5 88 88 88 88 40\n6 88 88 88 88 40"
    result = play(script, bars, volume_limit=0.1)
    assert fills(result)[0] == (2, 4, 100)
    assert sum(quantity for _, quantity, _ in fills(result)) == 0
    assert "its stop-loss was filled" in {one.end_reason for one in result.orders}


def test_all_of_an_order_is_restated_at_a_split() -> None:
    """Ten of thirty shares are filled at 100 before each share becomes two, then the rest."""
    script: Script = {1: Action.buy(30, limit=100, stop_loss=50, take_profit=300)}
    bars = f"{FLAT}2 100 100 100 100 100\n3 50 50 50 50 200 split=2\n4 50 50 50 50 900"
    result = play(script, bars, initial_capital=10_000, volume_limit=0.1)
    entry, stop, profit = result.orders
    assert (entry.quantity, entry.filled, entry.price, entry.limit) == (60, 60, 50, 50)
    assert (entry.stop_loss, entry.take_profit) == (25, 150)
    assert (stop.quantity, stop.stop, profit.quantity, profit.limit) == (-60, 25, -60, 150)


def test_no_share_is_left_without_its_exit_by_a_split() -> None:
    """Two brackets of five shares; ten shares become one, which one of the exits sells."""
    script: Script = {1: [Action.buy(5, stop_loss=90), Action.buy(5, stop_loss=90)]}
    bars = f"{FLAT}2 100 100 100 100 1000\n3 1000 1000 1000 1000 1000 split=0.1\n4 1000 1000 800 850 1000"
    result = play(script, bars)
    assert fills(result)[2:] == [(4, -1, 900)]
    assert not result.open_positions


def test_a_commission_above_the_value_of_a_sale_does_not_take_the_cash_below_zero() -> None:
    script: Script = {1: Action.buy(94, limit=100), 3: Action.sell(1)}
    bars = f"{FLAT}2 100 100 100 100 1000\n3 100 100 100 100 1000\n4 1 1 1 1 1000"
    result = play(script, bars, initial_capital=9406, commission="0% min 6")
    assert min(result.curve.cash) == 0
    assert [text for _, _, text in notes(result)] == [
        "order to sell 1 rejected: its commission is 6.00, for a value of 1.00 and cash of 0.00"
    ]
