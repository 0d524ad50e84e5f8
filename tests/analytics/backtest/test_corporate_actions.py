"""Splits, dividends and delistings: credited to positions, or reinvested in the prices."""

from __future__ import annotations

import pyarrow as pa
import pytest

from stockstream import analytics
from stockstream.analytics.backtest import Action, backtest
from tests.analytics.backtest._bars import FREE, SRC, Scripted, columns, day, fills, notes, of, play, table

SPLIT = """
    2   10   10   10   10  1000
    3   10   10   10   10  1000
    4    5    6    5    6  2000  split=2
    5    6    6    6    6  2000
"""
REVERSE = """
    2   10   10   10   10  1000
    3   10   10   10   10  1000
    4  100  120  100  120   100  split=0.1
    5  120  120  120  120   100
"""
DIVIDEND = """
    2   10   10   10   10  1000
    3   10   10   10   10  1000
    4    9    9    9    9  1000  dividend=1
    5    9    9    9    9  1000
"""


# Credited, on prices as traded


def test_a_split_multiplies_the_shares_held_and_leaves_their_worth() -> None:
    result = play({2: Action.buy(10)}, SPLIT)
    assert fills(result) == [(3, 10, 10)]
    assert columns(result, "cash") == [1000, 900, 900, 900]
    assert columns(result, "long") == [0, 100, 120, 120]
    assert [(position.quantity, position.entry_price) for position in result.open_positions] == [(20, 5)]


def test_a_trade_over_a_split_counts_in_shares_of_its_exit() -> None:
    (trade,) = play({2: Action.buy(10), 4: Action.close()}, SPLIT).closed_positions
    assert (trade.quantity, trade.entry_price, trade.exit_price, trade.pnl) == (20, 5, 6, 20)


def test_a_split_multiplies_what_is_short() -> None:
    result = play({2: Action.sell(10), 4: Action.close()}, SPLIT)
    assert fills(result) == [(3, -10, 10), (5, 20, 6)]
    assert columns(result, "equity") == [1000, 1000, 980, 980]


@pytest.mark.parametrize(("shares", "cash"), [(15, 50), (-15, -50)])
def test_a_fraction_of_a_share_is_paid_out_at_the_last_price(shares: int, cash: float) -> None:
    """15 shares become 1.5; the half share is worth 50, because the last close is 100 after the split."""
    result = play({2: Action.buy(shares)}, REVERSE)
    assert columns(result, "cash")[1:] == [1000 - 10 * shares, 1000 - 10 * shares + cash, 1000 - 10 * shares + cash]
    (position,) = result.open_positions
    assert position.quantity == (1 if shares > 0 else -1)
    assert fills(result) == [(3, shares, 10)], "it is no trade"


def test_a_position_of_which_a_split_leaves_no_share_is_closed() -> None:
    result = play({2: Action.buy(5)}, REVERSE)
    assert [(trade.reason, trade.pnl) for trade in result.closed_positions] == [("split", 0)]
    assert (columns(result, "cash")[-1], result.open_positions) == (1000, [])


def test_fractions_of_shares_that_were_bought_stay_fractions() -> None:
    (position,) = play({2: Action.buy(2.5)}, SPLIT.replace("split=2", "split=1.5")).open_positions
    assert position.quantity == pytest.approx(3.75)


def test_open_orders_follow_a_split_in_price_and_shares() -> None:
    result = play({2: Action.buy(10, limit=8)}, SPLIT)
    assert fills(result) == []
    result = play({2: Action.buy(10, limit=10.5, stop=10.4)}, SPLIT)
    assert fills(result) == [(4, 20, pytest.approx(5.2))]
    result = play({2: Action.buy(10, stop_loss=9, take_profit=11)}, SPLIT)
    assert fills(result) == [(3, 10, 10), (4, -20, 5.5)]


def test_a_trailing_stop_follows_a_split() -> None:
    """A stop of 9 and a distance of 1 become 4.5 and 0.5; a distance of 10 % stays 10 %."""
    bars = SPLIT.replace("5    6    6    6    6", "5    6    6    1    1")
    assert fills(play({2: Action.sell(10, trail=1)}, bars)) == [(5, -20, 5.5)]
    assert fills(play({2: Action.sell(10, trail_percent=10)}, bars)) == [(5, -20, pytest.approx(5.4))]


def test_an_order_decided_before_a_split_is_for_as_much_money_after_it() -> None:
    assert fills(play({3: Action.buy(10)}, SPLIT)) == [(4, 20, 5)]


def test_an_order_of_which_a_split_leaves_no_share_is_gone() -> None:
    strategy = Scripted({3: Action.buy(5)})
    assert fills(play(strategy, REVERSE)) == []
    assert strategy.open == [0, 0, 0, 0]


def test_the_rest_of_an_order_never_turns_round_over_a_split() -> None:
    """18 of 19 shares are bought, and become 1 share and a fraction; the share not bought yet becomes 0 shares."""
    bars = REVERSE.replace("10  1000\n    4", "10  180\n    4")
    result = play({2: Action.buy(19)}, bars, volume_limit=0.1)
    assert fills(result) == [(3, 18, 10)]
    assert [position.quantity for position in result.open_positions] == [1]


def test_closing_a_position_closes_it_over_a_split() -> None:
    result = play({2: Action.buy(2.5), 3: Action.close()}, SPLIT.replace("split=2", "split=1.5"))
    assert fills(result) == [(3, 2.5, 10), (4, -3.75, 5)]


def test_a_dividend_is_credited_to_what_is_held_into_the_ex_date() -> None:
    result = play({2: Action.buy(10)}, DIVIDEND)
    assert columns(result, "cash") == [1000, 900, 910, 910]
    assert columns(result, "equity") == [1000, 1000, 1000, 1000]
    assert [position.dividends for position in result.open_positions] == [10]


def test_what_is_bought_on_the_ex_date_has_no_dividend_and_what_is_sold_there_has() -> None:
    assert columns(play({3: Action.buy(10)}, DIVIDEND), "cash")[-1] == 1000 - 90
    (trade,) = play({2: Action.buy(10), 3: Action.close()}, DIVIDEND).closed_positions
    assert (trade.dividends, trade.pnl) == (10, 0)


def test_a_short_position_pays_the_dividend() -> None:
    result = play({2: Action.sell(10), 4: Action.close()}, DIVIDEND)
    assert columns(result, "cash") == [1000, 1100, 1090, 1000]
    (trade,) = result.closed_positions
    assert (trade.dividends, trade.pnl) == (-10, 0)


def test_a_dividend_on_the_day_of_a_split_is_paid_on_each_new_share() -> None:
    result = play({2: Action.buy(10)}, SPLIT.replace("split=2", "split=2 dividend=0.5"))
    assert columns(result, "cash") == [1000, 900, 910, 910]


def test_splits_and_dividends_of_the_first_bar_change_nothing() -> None:
    bars = "2 10 10 10 10 9 split=2 dividend=1 \n 3 10 10 10 10 9"
    result = play({2: Action.buy(10)}, bars)
    assert (columns(result, "cash"), columns(result, "long")) == ([1000, 900], [0, 100])


@pytest.mark.parametrize("kind", ["INTEGER", "DECIMAL(18, 4)", "FLOAT"])
def test_splits_and_dividends_may_be_numbers_of_any_type(kind: str) -> None:
    con = analytics.connect("no-lake")
    con.register("given", table(DIVIDEND.replace("dividend=1", "dividend=1 split=2")))
    con.execute(
        f"CREATE TABLE {SRC} AS SELECT * REPLACE (dividend::{kind} AS dividend, split_ratio::{kind} AS split_ratio) "
        "FROM given"
    )
    result = backtest(Scripted({2: Action.buy(10)}), con=con, src=SRC, **FREE)
    assert (columns(result, "cash"), columns(result, "long")) == ([1000, 900, 920, 920], [0, 100, 180, 180])


# Reinvested, in adjusted prices


def test_adjusted_prices_know_splits_and_credit_none() -> None:
    """Prices stay on the scale of the first day: 5 after a two-for-one split is 10."""
    result = play({2: Action.buy(10), 4: Action.close()}, SPLIT, prices="adjusted")
    assert fills(result) == [(3, 10, 10), (5, -10, 12)]
    assert columns(result, "equity") == [1000, 1000, 1020, 1020]


def test_adjusted_prices_know_dividends_and_credit_none() -> None:
    """A dividend of 1 on a close of 10, reinvested: a price of 9 after it is 10."""
    result = play({2: Action.buy(10), 4: Action.close()}, DIVIDEND, prices="adjusted")
    assert fills(result) == [(3, 10, 10), (5, -10, pytest.approx(10))]
    (trade,) = result.closed_positions
    assert (trade.dividends, trade.pnl) == (0, pytest.approx(0))


def test_a_volume_limit_on_adjusted_prices_is_of_adjusted_shares() -> None:
    """A volume of 2,000 shares after the split is 1,000 shares from before it."""
    result = play({3: Action.buy(60)}, SPLIT, prices="adjusted", volume_limit=0.05)
    assert fills(result) == [(4, 50, 10), (5, 10, 12)]


@pytest.mark.parametrize("prices", ["as_traded", "adjusted"])
def test_a_table_without_splits_and_dividends_is_traded_as_it_is(prices: str) -> None:
    bars: pa.Table = table(SPLIT).drop_columns(["dividend", "split_ratio"])
    assert columns(play({2: Action.buy(10)}, bars, prices=prices), "long") == [0, 100, 60, 60]


# Delisted

GONE = "2 10 10 10 10 9 \n 3 11 11 11 11 9 \n 4 8 8 8 8 9"
OTHER = "\n".join(f"{number} 1 1 1 1 9" for number in (2, 3, 4, 5, 6))


def test_a_delisted_symbol_is_closed_at_its_last_price_with_a_note() -> None:
    """After one session without a bar, before the next one."""
    bars = GONE + "\n" + of("BBB", OTHER)
    result = play({2: Action.buy(10)}, bars, commission="1/share", delist_after=1)
    assert notes(result) == [(6, "AAA", f"delisted after {day(4)}: 10 shares closed at 8")]
    (trade,) = result.closed_positions
    assert (trade.reason, trade.exit_price, trade.exit_date, trade.commission) == ("delisted", 8, day(6), 10)
    assert columns(result, "cash") == [1000, 880, 880, 880, 960], "its last price is no trade, and costs nothing"


def test_a_short_position_in_a_delisted_symbol_is_bought_back_at_its_last_price() -> None:
    result = play({2: Action.sell(10)}, GONE + "\n" + of("BBB", OTHER), delist_after=1)
    assert columns(result, "cash") == [1000, 1110, 1110, 1110, 1030]
    assert [trade.pnl for trade in result.closed_positions] == [30]


def test_orders_for_a_delisted_symbol_are_cancelled_or_rejected() -> None:
    strategy = Scripted({4: Action.buy(10), 6: Action.buy(10)})
    result = play(strategy, GONE + "\n" + of("BBB", OTHER), delist_after=1)
    assert (fills(result), strategy.open) == ([], [0, 0, 0, 1, 0])
    assert notes(result) == [(6, "AAA", "order rejected: the symbol is delisted")]


def test_a_symbol_counts_as_delisted_after_21_sessions_without_a_bar() -> None:
    """The sessions are those of the other symbol; the 22nd session after the last bar is the first to know."""
    halted, gone = (of("BBB", "\n".join(f"{n} 1 1 1 1 9" for n in range(2, last))) for last in (25, 27))
    result = play({2: Action.buy(10)}, GONE + "\n27 9 9 9 9 9\n" + halted)
    assert (notes(result), columns(result, "long")[-1]) == ([], 90)
    result = play({2: Action.buy(10)}, GONE + "\n" + gone)
    assert notes(result) == [(26, "AAA", f"delisted after {day(4)}: 10 shares closed at 8")]


def test_a_delisting_does_not_depend_on_later_bars() -> None:
    """The same days of a lake that ends with them, and of one that goes on."""
    script = {2: Action.buy(10), 6: Action.buy(50, symbol="BBB")}
    short, long = (GONE + "\n" + of("BBB", "\n".join(f"{n} 1 1 1 1 9" for n in range(2, last))) for last in (20, 90))
    results = [play(script, bars, end=day(19)) for bars in (short, long)]
    assert columns(results[0], "equity") == columns(results[1], "equity")
    assert notes(results[0]) == notes(results[1]) == []


def test_a_symbol_that_is_traded_again_after_a_long_halt_accepts_orders() -> None:
    bars = GONE + "\n7 9 9 9 9 9\n8 9 9 9 9 9\n" + of("BBB", OTHER)
    result = play({2: Action.buy(10), 7: Action.buy(5)}, bars, delist_after=1)
    assert [text for _, _, text in notes(result)] == [f"delisted after {day(4)}: 10 shares closed at 8"]
    assert fills(result) == [(3, 10, 11), (8, 5, 9)]


def test_a_run_that_ends_before_a_delisting_does_not_know_of_it() -> None:
    result = play({2: Action.buy(10)}, GONE + "\n" + of("BBB", OTHER), end=day(3), delist_after=1)
    assert (notes(result), columns(result, "long")) == ([], [0, 110])


def test_a_delisted_symbol_that_is_traded_alone_is_closed_with_a_note() -> None:
    """The sessions after its last bar are those of the symbols that are not traded."""
    result = play({2: Action.buy(10)}, GONE + "\n" + of("BBB", OTHER), symbols=["AAA"], delist_after=2)
    assert [text for _, _, text in notes(result)] == [f"delisted after {day(4)}: 10 shares closed at 8"]
    assert result.open_positions == []
    result = play({2: Action.buy(10)}, GONE + "\n" + of("BBB", OTHER), symbols=["AAA"], delist_after=3)
    assert (notes(result), len(result.open_positions)) == ([], 1)


def test_a_symbol_that_left_the_lists_is_delisted_at_once() -> None:
    """The view `metadata` has the end of the listing before the symbol has been without bars for 21 sessions."""
    con = analytics.connect("no-lake")
    con.register(SRC, table(GONE + "\n" + of("BBB", "2 1 1 1 1 9 \n 5 1 1 1 1 9")))
    period = f"'AAA' AS symbol, DATE '{day(1)}' AS valid_from, DATE '{day(4)}' AS valid_to"
    listed = f"SELECT {period}, CAST(NULL AS VARCHAR) AS renamed_to"
    con.execute(f"CREATE OR REPLACE TEMP VIEW metadata AS {listed}")
    result = backtest(Scripted({2: Action.buy(10)}), con=con, src=SRC, **FREE)
    assert notes(result) == [(5, "AAA", f"delisted after {day(4)}: 10 shares closed at 8")]
