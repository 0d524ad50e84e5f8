"""Exits that trail and move, changes of open orders, and orders to a target."""

from __future__ import annotations

import pytest

from stockstream.analytics.backtest import Action
from stockstream.analytics.backtest.model import Status
from tests.analytics.backtest._bars import fills, notes, of, play, trade

RISE = """
1 100 100 100 100 1000
2 100 104 99 103 1000
3 103 110 102 109 1000
4 109 109 104 105 1000
5 105 106 98 99 1000
6 99 99 99 99 1000
"""


def test_a_trailing_exit_starts_at_its_distance_from_the_entry() -> None:
    """Bought at 100; 5 below the high of day 2 (104) is 99, of day 3 (110) is 105: day 4 falls to it."""
    assert fills(play({1: Action.buy(10, exit_trail=5)}, RISE)) == [(2, 10, 100), (4, -10, 105)]


def test_a_trailing_exit_in_per_cent() -> None:
    """10 % below 110 is 99, which day 5 reaches."""
    assert fills(play({1: Action.buy(10, exit_trail_percent=10)}, RISE)) == [(2, 10, 100), (5, -10, 99)]


def test_a_trailing_exit_that_the_bar_of_the_entry_reaches_fills_in_it() -> None:
    assert fills(play({1: Action.buy(10, exit_trail=1)}, RISE)) == [(2, 10, 100), (2, -10, 99)]


def test_a_trailing_exit_with_a_stop_loss_starts_there_and_follows_once_it_is_nearer() -> None:
    """The stop-loss of 98.5 holds on day 2, and is 110 - 8 = 102 after day 3, which day 5 reaches."""
    assert fills(play({1: Action.buy(10, stop_loss=98.5, exit_trail=8)}, RISE)) == [(2, 10, 100), (5, -10, 102)]


def test_a_trailing_exit_of_a_short_position_follows_the_lowest_price() -> None:
    """Sold at 100; 4 above the low of day 2 (99) is 103, which day 3 opens at."""
    assert fills(play({1: Action.sell(10, exit_trail=4.5)}, RISE)) == [(2, -10, 100), (3, 10, 103.5)]


def test_after_a_limit_entry_inside_the_bar_only_the_close_moves_the_trail() -> None:
    """The high of 104 may have come before the purchase at 99.5: 6 below the close of 103 is 97, which day 3 misses."""
    bars = RISE.replace("3 103 110 102 109", "3 103 104 97.5 98")
    assert fills(play({1: Action.buy(10, limit=99.5, exit_trail=6)}, bars)) == [(2, 10, 99.5), (5, -10, 103)]


def test_after_a_stop_entry_the_high_moves_the_trail() -> None:
    """The stop of 101 is passed on the way to the high of 104, 5 below which is 99; day 3 falls to it."""
    bars = RISE.replace("2 100 104 99 103", "2 100 104 99.5 103").replace("3 103 110 102 109", "3 103 104 98 98")
    assert fills(play({1: Action.buy(5, stop=101, exit_trail=5)}, bars)) == [(2, 5, 101), (3, -5, 99)]


def test_the_exits_of_a_bracket_move() -> None:
    script = {1: Action.buy(10, stop_loss=90, take_profit=120), 2: Action.exits(stop_loss=102.5)}
    result = play(script, RISE)
    assert fills(result) == [(2, 10, 100), (3, -10, 102.5)]
    assert [order.reason for order in result.orders] == ["", "stop-loss", "take-profit"]


def test_a_take_profit_moves() -> None:
    script = {1: Action.buy(10, stop_loss=90, take_profit=120), 2: Action.exits(take_profit=108)}
    assert fills(play(script, RISE)) == [(2, 10, 100), (3, -10, 108)]


def test_a_stop_loss_may_start_to_trail() -> None:
    """The stop-loss of 90 follows from day 3 on: 110 - 6 = 104 after its bar, which day 4 reaches."""
    script = {1: Action.buy(10, stop_loss=90), 2: Action.exits(trail=6)}
    assert fills(play(script, RISE)) == [(2, 10, 100), (4, -10, 104)]


def test_exits_are_added_to_a_position_without_any() -> None:
    """They cover all 15 shares of both purchases, and the fill of one ends the other."""
    script = {1: [Action.buy(5), Action.buy(10)], 2: Action.exits(stop_loss=98.5, take_profit=108, tag="out")}
    result = play(script, RISE, initial_capital=2000)
    assert fills(result) == [(2, 5, 100), (2, 10, 100), (3, -15, 108)]
    assert [(order.reason, order.tag, order.status.value) for order in result.orders[2:]] == [
        ("stop-loss", "out", "cancelled"), ("take-profit", "out", "filled"),
    ]  # fmt: skip


def test_exits_trail_from_the_last_close_if_the_position_has_no_stop_loss() -> None:
    """Day 2 closes at 103: a stop of 100.9, which day 3 moves to 107.9 and day 4 reaches."""
    assert fills(play({1: Action.buy(10), 2: Action.exits(trail=2.1)}, RISE)) == [(2, 10, 100), (4, -10, 107.9)]


def test_exits_without_a_position_are_a_note() -> None:
    assert notes(play({1: Action.exits(stop_loss=90)}, RISE)) == [
        (1, "AAA", "there is no position whose exits to set (the first of them)")
    ]


def test_an_open_order_changes() -> None:
    script = {1: Action.buy(10, limit=90, tag="in"), 2: Action.change("in", limit=102, quantity=4, stop_loss=99)}
    assert fills(play(script, RISE)) == [(3, 4, 102), (5, -4, 99)]


def test_an_order_changes_by_its_id_and_the_others_stay() -> None:
    script = {1: [Action.buy(1, limit=90), Action.buy(2, limit=90)], 2: Action.change(2, limit=102)}
    assert fills(play(script, RISE)) == [(3, 2, 102)]


def test_an_order_to_change_that_does_not_exist_is_a_note() -> None:
    assert notes(play({1: Action.change(9, limit=102)}, RISE)) == [
        (1, "AAA", "no open order 9 to change (the first of them)")
    ]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Action.change(1, limit=-1), "limit=-1: it must be a number above 0"),
        (Action.change(1, quantity=0), "a change to 0 shares of AAA"),
        (Action.exits(stop_loss=float("nan")), "stop_loss=nan: it must be a number above 0"),
        (Action.exits(trail=1, trail_percent=1), "with exit_trail and exit_trail_percent: name one of them"),
        (Action.target(float("inf")), "an order for inf shares of AAA"),
    ],
)
def test_an_impossible_change_is_an_error(action: Action, message: str) -> None:
    result = trade({1: Action.buy(1), 2: action}, RISE)
    assert result.error is not None
    assert message in result.error


def test_a_target_buys_or_sells_what_is_missing() -> None:
    script = {1: Action.target(6), 2: Action.target(2), 3: Action.target(2), 4: Action.target(-3)}
    assert fills(play(script, RISE)) == [(2, 6, 100), (3, -4, 103), (5, -5, 105)]


def test_a_target_in_money_is_rounded_towards_no_position() -> None:
    """550 / 100 are 5 shares; 420 / 103 are 4."""
    script = {1: Action.target_value(550), 2: Action.target_value(-420)}
    assert fills(play(script, RISE)) == [(2, 5, 100), (3, -9, 103)]


def test_a_target_in_per_cent_of_the_equity() -> None:
    """Half of 1000 at 100; after day 2 the equity is 1015, of which 40 % at 103 are 3 shares."""
    script = {1: Action.target_percent(50), 2: Action.target_percent(40)}
    assert fills(play(script, RISE)) == [(2, 5, 100), (3, -2, 103)]


def test_a_target_uses_the_money_there_is() -> None:
    """All of 1000 at the close of 100 are 10 shares, of which the open of 103 leaves 9."""
    bars = RISE.replace("2 100 104", "2 103 104")
    assert fills(play({1: Action.target_percent(100)}, bars)) == [(2, 9, 103)]


def test_a_target_replaces_an_earlier_one_that_is_still_open() -> None:
    """3 of 6 shares fill on day 2 (half of the volume); the target of 5 needs 2 more, not 3 and 2."""
    bars = RISE.replace("103 1000", "103 6", 1)
    result = play({1: Action.target(6), 2: Action.target(5)}, bars, volume_limit=0.5)
    assert fills(result) == [(2, 3, 100), (3, 2, 103)]
    assert (result.orders[0].status, result.orders[0].end_reason) == (Status.cancelled, "replaced by another target")


def test_a_target_may_wait_for_a_limit_and_leaves_other_symbols_alone() -> None:
    script = {1: [Action.target(6, limit=99.5), Action.target_value(200, symbol="BBB")]}
    result = play(script, RISE + of("BBB", RISE))
    assert fills(result) == [(2, 6, 99.5)]
    assert fills(result, "BBB") == [(2, 2, 100)]
