"""When in a session an order fills, at what price, and how much of it."""

from __future__ import annotations

import pytest

from stockstream.analytics.backtest import Action
from tests.analytics.backtest._bars import Scripted, columns, fills, notes, of, play

BARS = """
    2   10   11    9   10  1000
    3   11   13   10   12  1000
    4   12   12.5  8    9  1000
    5    9   10    7    8  1000
    6    8   14    8   13  1000
"""
GAPS = """
    2   10   10.5  9.5 10  1000
    3   12   12.5 11.5 12  1000
    4    8    8.5  7.5  8  1000
"""
"""Bars with gaps: the open is two above the previous close on day 3, and four below it on day 4."""


# Where in the next session


@pytest.mark.parametrize(
    ("fill_at", "price"),
    [("open", 11), ("close", 12), ("vwap", (13 + 10 + 12) / 3)],
)
def test_a_market_order_is_filled_at_the_open_the_close_or_the_vwap_by_choice(fill_at: str, price: float) -> None:
    assert fills(play({2: Action.buy(10)}, BARS, fill_at=fill_at)) == [(3, 10, pytest.approx(price))]


@pytest.mark.parametrize("fill_at", ["open", "close", "vwap"])
def test_the_choice_of_where_is_for_market_orders_only(fill_at: str) -> None:
    script = {2: [Action.buy(10, limit=10.5), Action.buy(5, stop=12.75)]}
    assert sorted(fills(play(script, BARS, fill_at=fill_at))) == [(3, 5, 12.75), (3, 10, 10.5)]


def test_nothing_is_filled_in_the_session_it_is_decided_in() -> None:
    """The bar of day 2 touches both prices, but it is over when the orders are decided."""
    assert fills(play({2: [Action.buy(1, limit=9.5), Action.buy(2, stop=10.5)]}, BARS)) == [(3, 2, 11), (4, 1, 9.5)]


def test_what_is_decided_on_the_last_close_is_never_filled() -> None:
    assert fills(play({6: Action.buy(10)}, BARS)) == []


# Gaps


def test_a_gap_below_a_limit_to_buy_fills_at_the_open_and_not_at_the_limit() -> None:
    assert fills(play({2: Action.buy(10, limit=9)}, GAPS)) == [(4, 10, 8)]


def test_a_gap_above_a_limit_to_sell_fills_at_the_open_and_not_at_the_limit() -> None:
    assert fills(play({2: Action.sell(10, limit=11)}, GAPS)) == [(3, -10, 12)]


def test_a_gap_above_a_stop_to_buy_fills_at_the_open_and_not_at_the_stop() -> None:
    assert fills(play({2: Action.buy(10, stop=11)}, GAPS)) == [(3, 10, 12)]


def test_a_gap_below_a_stop_to_sell_fills_at_the_open_and_not_at_the_stop() -> None:
    assert fills(play({2: Action.sell(10, stop=9)}, GAPS)) == [(4, -10, 8)]


def test_a_gap_through_a_trailing_stop_fills_at_the_open() -> None:
    """The stop is 12.5 - 2 = 10.5, and day 4 opens at 8."""
    assert fills(play({2: Action.sell(10, trail=2)}, GAPS)) == [(4, -10, 8)]


def test_a_gap_through_both_prices_of_a_stop_limit_waits_for_the_limit() -> None:
    bars = GAPS + "5 8 11.5 8 11 1000"
    assert fills(play({2: Action.buy(10, stop=11, limit=11.25)}, bars)) == [(4, 10, 8)]
    assert fills(play({3: Action.sell(10, stop=11, limit=10)}, bars)) == [(5, -10, 10)]


def test_a_gap_through_a_stop_loss_sells_at_the_open() -> None:
    result = play({2: Action.buy(10, stop_loss=11)}, GAPS)
    assert fills(result) == [(3, 10, 12), (4, -10, 8)]
    assert result.closed_positions[0].pnl == -40


# How much


VOLUMES = """
    2   10   10   10   10  1000
    3   11   11   11   11    55
    4   12   12   12   12     0
    5   13   13   13   13   100
    6   14   14   14   14  1000
"""


def test_a_volume_limit_fills_in_part_and_the_rest_later() -> None:
    """The limit is 10 % of the volume: 5 of 55 shares, 0 of 0, 10 of 100."""
    strategy = Scripted({2: Action.buy(20)})
    result = play(strategy, VOLUMES, volume_limit=0.1)
    assert fills(result) == [(3, 5, 11), (5, 10, 13), (6, 5, 14)]
    assert {one.order for one in result.transactions} == {1}
    (order,) = set(strategy.filled)
    assert (order.filled, order.remaining, order.price) == (20, 0, pytest.approx((5 * 11 + 10 * 13 + 5 * 14) / 20))


def test_without_a_volume_limit_all_is_filled_at_once() -> None:
    assert fills(play({2: Action.buy(20)}, VOLUMES)) == [(3, 20, 11)]


def test_orders_of_a_symbol_share_its_volume() -> None:
    bars = VOLUMES + of("BBB", VOLUMES)
    script = {2: [Action.buy(3), Action.buy(7), Action.buy(4, symbol="BBB")]}
    result = play(script, bars, volume_limit=0.1)
    assert fills(result) == [(3, 3, 11), (3, 2, 11), (5, 5, 13)]
    assert fills(result, "BBB") == [(3, 4, 11)]


def test_what_a_day_order_could_not_fill_is_gone() -> None:
    assert fills(play({2: Action.buy(20, day=True)}, VOLUMES, volume_limit=0.1)) == [(3, 5, 11)]


def test_the_rest_of_a_stop_order_is_filled_as_a_market_order() -> None:
    """Day 3 reaches the stop of 10.5; the rest fills on day 5, although it opens below the stop."""
    bars = VOLUMES.replace("5   13   13   13   13", "5   9   9   9   9")
    assert fills(play({2: Action.buy(15, stop=10.5)}, bars, volume_limit=0.1)) == [(3, 5, 11), (5, 10, 9)]


def test_the_rest_of_a_limit_order_waits_for_its_limit() -> None:
    script = {2: Action.buy(20, limit=11.5)}
    bars = VOLUMES + "7 12 12 11 11 100"
    assert fills(play(script, bars, volume_limit=0.1)) == [(3, 5, 11), (7, 10, 11.5)]


def test_a_bracket_protects_each_part_as_it_is_bought() -> None:
    bars = "2 10 10 10 10 50 \n 3 10 10 10 10 50 \n 4 10 10 10 10 30 \n 5 9 9 9 9 70 \n 6 8 8 8 8 70"
    result = play({2: Action.buy(8, stop_loss=9.5, take_profit=20)}, bars, volume_limit=0.1)
    assert fills(result) == [(3, 5, 10), (4, 3, 10), (5, -7, 9), (6, -1, 8)]


def test_an_exit_that_is_filled_in_part_leaves_the_rest_to_both() -> None:
    bars = "2 10 10 10 10 100 \n 3 10 10 10 10 100 \n 4 8 8 8 8 40 \n 5 9.5 13 9.5 13 100"
    result = play({2: Action.buy(10, stop_loss=9, take_profit=12)}, bars, volume_limit=0.1)
    assert fills(result) == [(3, 10, 10), (4, -4, 8), (5, -6, 9.5)]
    assert result.open_positions == []


def test_positions_closed_at_the_end_are_not_kept_open_by_a_volume_limit() -> None:
    result = play({2: Action.buy(5)}, VOLUMES, volume_limit=0.1, at_end="close")
    assert fills(result) == [(3, 5, 11), (6, -5, 14)]


# In what order


def test_what_is_sold_at_the_open_pays_for_what_is_bought_there() -> None:
    """The buy order is older, but there is no cash for it before the sale."""
    bars = BARS + of("BBB", BARS)
    script = {2: Action.buy(90), 3: [Action.buy(75, symbol="BBB"), Action.close()]}
    result = play(script, bars)
    assert (fills(result), fills(result, "BBB")) == ([(3, 90, 11), (4, -90, 12)], [(4, 75, 12)])
    assert notes(result) == []


def test_what_is_sold_at_the_close_does_not_pay_for_what_is_bought_at_the_open() -> None:
    bars = BARS + of("BBB", BARS)
    script = {2: Action.buy(80), 3: [Action.buy(80, symbol="BBB", limit=12), Action.close()]}
    result = play(script, bars, fill_at="close")
    assert fills(result, "BBB") == []
    assert notes(result) == [(4, "BBB", "order to buy 80 rejected: it costs 960.00, and there is 40.00")]


def test_of_two_orders_the_older_is_filled_first() -> None:
    result = play({2: [Action.buy(50), Action.buy(60), Action.buy(40)]}, BARS)
    assert fills(result) == [(3, 50, 11), (3, 40, 11)]
    assert notes(result) == [(3, "AAA", "order to buy 60 rejected: it costs 660.00, and there is 450.00")]


# Days without a bar, and unknown prices

HALTED = "2 10 10 10 10 1 \n 3 11 11 11 11 1 \n 6 7 7 7 7 1"
TRADED = "2 1 1 1 1 1 \n 3 1 1 1 1 1 \n 4 1 1 1 1 1 \n 5 1 1 1 1 1 \n 6 1 1 1 1 1"


def test_a_halted_day_holds_the_position_at_its_last_close() -> None:
    result = play({2: Action.buy(10)}, HALTED + "\n" + of("BBB", TRADED))
    assert [number.day for number in result.curve.dates] == [2, 3, 4, 5, 6]
    assert columns(result, "long") == [0, 110, 110, 110, 70]
    assert columns(result, "cash") == [1000, 890, 890, 890, 890]
    assert notes(result) == []


def test_an_order_waits_for_the_first_bar_after_a_halt() -> None:
    script = {2: Action.buy(10), 3: [Action.close(), Action.buy(1, limit=9)]}
    result = play(script, HALTED + "\n" + of("BBB", TRADED))
    assert fills(result) == [(3, 10, 11), (6, -10, 7), (6, 1, 7)]


def test_a_day_that_nobody_traded_is_no_session() -> None:
    result = play({2: Action.buy(10), 3: Action.close()}, HALTED)
    assert [number.day for number in result.curve.dates] == [2, 3, 6]
    assert fills(result) == [(3, 10, 11), (6, -10, 7)]


def test_a_bar_without_a_close_is_no_bar() -> None:
    bars = "2 10 10 10 10 1 \n 3 11 11 11 - 1 \n 4 12 12 12 12 1 \n" + of("BBB", TRADED)
    assert fills(play({2: Action.buy(10)}, bars)) == [(4, 10, 12)]


def test_an_unknown_price_is_the_close() -> None:
    bars = "2 10 10 10 10 1 \n 3 - - - 12 -"
    assert fills(play({2: [Action.buy(10), Action.buy(5, limit=11)]}, bars)) == [(3, 10, 12)]


# The end of the run


def test_a_position_that_is_open_at_the_end_is_held_at_its_last_close() -> None:
    result = play({2: Action.buy(10)}, BARS)
    assert (columns(result, "cash")[-1], columns(result, "long")[-1]) == (890, 130)
    assert ([position.quantity for position in result.open_positions], result.closed_positions) == ([10], [])


def test_a_position_that_is_open_at_the_end_is_sold_at_its_last_close_by_choice() -> None:
    """Bought at 11, sold at 13, with a commission of 1 % of 110 and of 130."""
    result = play({2: Action.buy(10)}, BARS, at_end="close", commission="1%")
    assert fills(result) == [(3, 10, 11), (6, -10, 13)]
    assert (columns(result, "cash")[-1], columns(result, "long")[-1]) == (pytest.approx(1017.6), 0)
    (trade,) = result.closed_positions
    assert (trade.reason, trade.pnl) == ("end of run", pytest.approx(17.6))
    assert (len(result.curve.dates), result.open_positions) == (5, [])


def test_what_is_short_at_the_end_is_bought_back_by_choice() -> None:
    result = play({2: Action.sell(10)}, BARS, at_end="close")
    assert fills(result) == [(3, -10, 11), (6, 10, 13)]
    assert columns(result, "equity")[-1] == 980


# Bars at which nothing can be bought


@pytest.mark.parametrize("prices", ["0 13 10 12", "14 13 10 12", "11 13 12.5 12", "nan 13 10 12", "11 13 -1 12"])
def test_a_price_that_contradicts_its_bar_never_fills_and_a_note_says_so(prices: str) -> None:
    """Orders wait for the next bar; a second such bar adds no note. NaN is NULL: the open is unknown, so the close."""
    bars = f"2 10 10 10 10 9 \n 3 {prices} 9 \n 4 {prices} 9 \n 5 20 20 20 20 9"
    result = play({2: Action.buy(1)}, bars)
    if prices.startswith("nan"):
        assert (fills(result), notes(result)) == ([(3, 1, 12)], [])
        return
    assert fills(result) == [(5, 1, 20)]
    assert [(number, symbol) for number, symbol, _ in notes(result)] == [(3, "AAA")]
    assert "contradict each other, orders wait (open " in notes(result)[0][2]


def test_a_rounding_error_is_no_contradiction() -> None:
    bars = "2 10 10 10 10 9 \n 3 13.000001 13 10 12 9"
    assert fills(play({2: Action.buy(1)}, bars)) == [(3, 1, 13.000001)]


def test_a_bar_without_volume_fills_nothing_unless_the_run_says_so() -> None:
    bars = "2 10 10 10 10 9 \n 3 11 11 11 11 0 \n 4 12 12 12 12 9"
    result = play({2: Action.buy(1)}, bars)
    assert fills(result) == [(4, 1, 12)]
    assert notes(result) == [(3, "AAA", "the volume of a bar is 0, orders wait (zero_volume=fill fills them)")]
    assert fills(play({2: Action.buy(1)}, bars, zero_volume="fill")) == [(3, 1, 11)]


def test_an_unknown_volume_limits_nothing_and_is_noted_once() -> None:
    bars = "2 10 10 10 10 9 \n 3 11 11 11 11 - \n 4 12 12 12 12 -"
    result = play({2: Action.buy(50), 3: Action.buy(10)}, bars, volume_limit=0.1)
    assert fills(result) == [(3, 50, 11), (4, 10, 12)]
    assert notes(result) == [(3, "AAA", "the volume of a bar is unknown (it limits nothing)")]


def test_an_order_for_no_shares_is_no_order() -> None:
    result = play({2: Action.buy(0), 3: Action.sell(0)}, BARS)
    assert (fills(result), result.error) == ([], None)
    assert notes(result) == [(2, "AAA", "an order for 0 shares is no order (the first of them)")]
