"""Every order type fills by its rule, and expires by its rule."""

from __future__ import annotations

from datetime import date

import pytest

from stockstream.analytics.backtest import Action, Data, Portfolio, Strategy
from stockstream.analytics.backtest.model import Status
from tests.analytics.backtest._bars import Scripted, fills, of, play

BARS = """
    2   10   11    9   10  1000
    3   11   13   10   12  1000
    4   12   12.5  8    9  1000
    5    9   10    7    8  1000
    6    8   14    8   13  1000
"""
"""Orders are decided on day 2, at a close of 10. The price rises to 13 on day 3, falls to 7 on day 5, rises to 14."""


def test_a_market_order_is_filled_at_the_open_of_the_next_session() -> None:
    result = play({2: Action.buy(10)}, BARS)
    assert fills(result) == [(3, 10, 11)]
    assert result.transactions[0].kind == "market"


def test_a_limit_order_to_buy_is_filled_at_its_limit_once_the_price_falls_to_it() -> None:
    result = play({2: Action.buy(10, limit=9.5)}, BARS)
    assert fills(result) == [(4, 10, 9.5)]
    assert result.transactions[0].kind == "limit"


def test_a_limit_that_is_only_touched_is_filled() -> None:
    assert fills(play({2: Action.buy(10, limit=8)}, BARS)) == [(4, 10, 8)]


def test_a_limit_order_to_sell_is_filled_at_its_limit_once_the_price_rises_to_it() -> None:
    assert fills(play({2: Action.sell(10, limit=12.75)}, BARS)) == [(3, -10, 12.75)]


def test_a_limit_that_is_not_reached_is_not_filled() -> None:
    assert fills(play({2: [Action.buy(10, limit=6.99), Action.sell(10, limit=14.01)]}, BARS)) == []


def test_a_stop_order_to_buy_is_filled_at_its_stop_once_the_price_rises_to_it() -> None:
    result = play({2: Action.buy(10, stop=12.75)}, BARS)
    assert fills(result) == [(3, 10, 12.75)]
    assert result.transactions[0].kind == "stop"


def test_a_stop_order_to_sell_is_filled_at_its_stop_once_the_price_falls_to_it() -> None:
    assert fills(play({2: Action.sell(10, stop=9.5)}, BARS)) == [(4, -10, 9.5)]


def test_a_stop_that_is_not_reached_is_not_filled() -> None:
    assert fills(play({2: [Action.buy(10, stop=14.01), Action.sell(10, stop=6.99)]}, BARS)) == []


def test_a_stop_limit_order_is_filled_at_the_stop_where_the_limit_lies_beyond_it() -> None:
    result = play({2: Action.buy(10, stop=12.75, limit=13)}, BARS)
    assert fills(result) == [(3, 10, 12.75)]
    assert result.transactions[0].kind == "stop-limit"


def test_a_stop_limit_order_becomes_a_limit_order_at_its_stop_and_waits() -> None:
    """Day 3 touches the stop, but its low of 10 may have come before that; the limit is active from day 4 on."""
    assert fills(play({2: Action.buy(10, stop=12.75, limit=10.5)}, BARS)) == [(4, 10, 10.5)]


def test_a_stop_limit_order_that_is_never_triggered_is_not_filled_at_its_limit() -> None:
    assert fills(play({2: Action.buy(10, stop=14.01, limit=9)}, BARS)) == []


def test_a_stop_limit_order_to_sell_mirrors_one_to_buy() -> None:
    assert fills(play({2: Action.sell(10, stop=9.5, limit=9.25)}, BARS)) == [(4, -10, 9.5)]
    assert fills(play({2: Action.sell(10, stop=9.5, limit=9.75)}, BARS)) == [(5, -10, 9.75)]


def test_a_trailing_stop_follows_the_highest_price_up_to_the_bar_before() -> None:
    """The stop is 10 - 3 = 7 at first, and 13 - 3 = 10 after day 3; the low of day 3 is compared with the stop of 7."""
    result = play({2: Action.sell(10, trail=3)}, BARS)
    assert fills(result) == [(4, -10, 10)]
    assert result.transactions[0].kind == "trailing-stop"


def test_a_trailing_stop_never_goes_back() -> None:
    bars = "2 10 10 10 10 9 \n 3 20 20 20 20 9 \n 4 16 16 16 16 9 \n 5 16 16 14 14 9"
    assert fills(play({2: Action.sell(10, trail=5)}, bars)) == [(5, -10, 15)]
    bars = "2 20 20 20 20 9 \n 3 10 10 10 10 9 \n 4 14 14 14 14 9 \n 5 14 16 14 16 9"
    assert fills(play({2: Action.buy(10, trail=5)}, bars)) == [(5, 10, 15)]


def test_a_trailing_stop_in_per_cent_keeps_a_share_of_the_highest_price_away() -> None:
    """The stop is 13 minus 20 %."""
    assert fills(play({2: Action.sell(10, trail_percent=20)}, BARS)) == [(4, -10, pytest.approx(10.4))]


def test_a_trailing_stop_to_buy_follows_the_lowest_price() -> None:
    """The stop is 10 + 5 = 15 at first, then 8 + 5 = 13 and 7 + 5 = 12, which day 6 reaches."""
    assert fills(play({2: Action.buy(10, trail=5)}, BARS)) == [(6, 10, 12)]


def test_a_bracket_sells_what_it_bought_at_its_stop_loss() -> None:
    result = play({2: Action.buy(10, stop_loss=9, take_profit=14)}, BARS)
    assert fills(result) == [(3, 10, 11), (4, -10, 9)]
    assert [trade.reason for trade in result.closed_positions] == ["stop-loss"]


def test_a_bracket_sells_what_it_bought_at_its_take_profit() -> None:
    result = play({2: Action.buy(10, stop_loss=6, take_profit=13.5)}, BARS)
    assert fills(result) == [(3, 10, 11), (6, -10, 13.5)]
    assert [trade.reason for trade in result.closed_positions] == ["take-profit"]


def test_one_exit_of_a_bracket_cancels_the_other() -> None:
    strategy = Scripted({2: Action.buy(10, stop_loss=9, take_profit=12.75)})
    result = play(strategy, BARS)
    assert fills(result) == [(3, 10, 11), (3, -10, 12.75)]
    stop_loss = result.orders[1]
    assert (stop_loss.reason, stop_loss.status, stop_loss.end_reason) == (
        "stop-loss", Status.cancelled, "the take-profit was filled",
    )  # fmt: skip


def test_a_bar_that_touches_both_exits_counts_as_the_stop_loss() -> None:
    """The bar does not say which came first; the worse is assumed."""
    assert fills(play({2: Action.buy(10, stop_loss=10.5, take_profit=12.5)}, BARS)) == [(3, 10, 11), (3, -10, 10.5)]


def test_a_high_that_may_have_come_before_an_entry_inside_the_bar_takes_no_profit() -> None:
    """The shares are bought at 10.5 inside the bar of day 3, whose high of 13 may have come before that."""
    assert fills(play({2: Action.buy(10, limit=10.5, take_profit=12.4)}, BARS)) == [(3, 10, 10.5), (4, -10, 12.4)]


INSIDE = "2 100 100 100 100 9 \n 3 100 101 90 99 9 \n 4 99 99 99 99 9"


def test_a_stop_loss_that_the_bar_of_the_entry_must_have_passed_fills_in_it() -> None:
    """The price falls from 100 through the limit of 98 to 90, and passes 95 after it."""
    result = play({2: Action.buy(5, limit=98, stop_loss=95)}, INSIDE)
    assert fills(result) == [(3, 5, 98), (3, -5, 95)]
    assert [trade.reason for trade in result.closed_positions] == ["stop-loss"]


def test_a_stop_loss_of_a_short_entry_inside_the_bar_mirrors_it() -> None:
    bars = "2 100 100 100 100 9 \n 3 100 110 99 101 9 \n 4 101 101 101 101 9"
    assert fills(play({2: Action.sell(5, limit=102, stop_loss=105)}, bars)) == [(3, -5, 102), (3, 5, 105)]


def test_a_stop_entry_whose_bar_closes_beyond_the_stop_loss_is_stopped_in_it() -> None:
    bars = "2 100 100 100 100 9 \n 3 100 106 100 101 9 \n 4 101 101 101 101 9"
    assert fills(play({2: Action.buy(5, stop=105, stop_loss=102)}, bars)) == [(3, 5, 105), (3, -5, 102)]


def test_a_stop_entry_whose_bar_may_have_touched_the_stop_loss_later_assumes_the_worse() -> None:
    """The low of 97 came before the entry or after it."""
    bars = "2 100 100 100 100 9 \n 3 100 106 97 106 9 \n 4 106 106 106 106 9"
    assert fills(play({2: Action.buy(5, stop=105, stop_loss=98)}, bars)) == [(3, 5, 105), (3, -5, 98)]
    assert fills(play({2: Action.buy(5, stop=105, stop_loss=96)}, bars)) == [(3, 5, 105)]


def test_a_stop_entry_passes_its_take_profit_on_the_way_to_the_high() -> None:
    bars = "2 100 100 100 100 9 \n 3 100 110 99 103 9 \n 4 103 103 103 103 9"
    assert fills(play({2: Action.buy(5, stop=105, take_profit=108)}, bars)) == [(3, 5, 105), (3, -5, 108)]
    short = "2 100 100 100 100 9 \n 3 100 101 90 97 9 \n 4 97 97 97 97 9"
    assert fills(play({2: Action.sell(5, stop=95, take_profit=92)}, short)) == [(3, -5, 95), (3, 5, 92)]


def test_a_limit_entry_takes_its_profit_in_the_same_bar_only_where_the_close_proves_it() -> None:
    """The high of 101 came before the entry at 98 or after it; the close came after it."""
    assert fills(play({2: Action.buy(5, limit=98, take_profit=100)}, INSIDE)) == [(3, 5, 98)]
    assert fills(play({2: Action.buy(5, limit=98, take_profit=98.5)}, INSIDE)) == [(3, 5, 98), (3, -5, 98.5)]


def test_the_exits_of_what_was_bought_at_the_close_count_from_the_next_session_on() -> None:
    options = {"fill_at": "close"}
    assert fills(play({2: Action.buy(10, take_profit=12.4)}, BARS, **options)) == [(3, 10, 12), (4, -10, 12.4)]


def test_a_bracket_that_sells_short_buys_back() -> None:
    assert fills(play({2: Action.sell(10, stop_loss=12.5, take_profit=8)}, BARS)) == [(3, -10, 11), (3, 10, 12.5)]
    assert fills(play({2: Action.sell(10, stop_loss=13.5, take_profit=8)}, BARS)) == [(3, -10, 11), (4, 10, 8)]


def test_the_exits_of_a_bracket_close_no_more_than_is_held() -> None:
    """6 of 10 shares are sold before the stop-loss is reached."""
    result = play({2: Action.buy(10, stop_loss=8.5), 3: Action.sell(6)}, BARS)
    assert fills(result) == [(3, 10, 11), (4, -6, 12), (4, -4, 8.5)]
    assert result.open_positions == []


def test_the_exits_of_a_bracket_end_with_its_position() -> None:
    """The position is sold on day 4; the position bought on day 5 is another one, without a stop-loss."""
    script = {2: Action.buy(10, stop_loss=9), 3: Action.sell(10), 4: Action.buy(5)}
    bars = "2 10 10 10 10 9 \n 3 11 11 11 11 9 \n 4 12 12 12 12 9 \n 5 11 11 10 10 9 \n 6 10 10 8 8 9"
    assert fills(play(script, bars)) == [(3, 10, 11), (4, -10, 12), (5, 5, 11)]


def test_a_day_order_ends_with_the_next_session() -> None:
    assert fills(play({2: Action.buy(10, limit=9.5, day=True)}, BARS)) == []
    assert fills(play({3: Action.buy(10, limit=9.5, day=True)}, BARS)) == [(4, 10, 9.5)]


def test_a_day_order_ends_in_a_session_in_which_its_symbol_is_not_traded() -> None:
    bars = "2 10 10 10 10 1 \n BBB 2 1 1 1 1 1 \n BBB 3 1 1 1 1 1 \n 4 10 10 10 10 1"
    assert fills(play({2: [Action.buy(1, day=True), Action.buy(2)]}, bars)) == [(4, 2, 10)]


def test_an_order_is_good_till_cancelled() -> None:
    assert fills(play({2: Action.buy(10, limit=7.5)}, BARS)) == [(5, 10, 7.5)]
    assert fills(play({2: Action.buy(10, limit=7.5), 4: Action.cancel()}, BARS)) == []


def test_cancel_leaves_other_symbols_and_the_position_alone() -> None:
    script = {
        2: [Action.buy(1), Action.buy(1, limit=7.5), Action.buy(1, symbol="BBB", limit=7.5)],
        3: Action.cancel(),
    }
    result = play(script, BARS + of("BBB", BARS))
    assert fills(result) == [(3, 1, 11)]
    assert fills(result, "BBB") == [(5, 1, 7.5)]
    assert [position.symbol for position in result.open_positions] == ["AAA", "BBB"]


def test_close_sells_all_that_is_held_and_cancels_the_open_orders() -> None:
    result = play({2: Action.buy(10, stop_loss=7.5), 3: [Action.buy(5, limit=7.5), Action.close()]}, BARS)
    assert fills(result) == [(3, 10, 11), (4, -10, 12)]
    assert [trade.reason for trade in result.closed_positions] == [""]


def test_close_buys_back_what_is_short() -> None:
    assert fills(play({2: Action.sell(10), 3: Action.close()}, BARS)) == [(3, -10, 11), (4, 10, 12)]


def test_close_without_a_position_does_nothing() -> None:
    assert fills(play({2: Action.close()}, BARS)) == []


def test_one_action_may_be_returned_for_several_symbols() -> None:
    """A constant such as `buy = Action.buy(1)` can be returned for every symbol."""

    class Constant(Strategy):
        buy = Action.buy(1)

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> Action | None:
            return self.buy if data.close == 10 else None

    result = play(Constant(), "2 10 10 10 10 1 \n BBB 2 10 10 10 10 1 \n 3 9 9 9 9 1 \n BBB 3 8 8 8 8 1")
    assert (fills(result), fills(result, "BBB")) == ([(3, 1, 9)], [(3, 1, 8)])
