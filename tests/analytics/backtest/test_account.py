"""Cash, long and short positions, margin, borrowing, and position sizing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest

from stockstream.analytics.backtest import (
    Action,
    Data,
    Portfolio,
    Position,
    Strategy,
    fixed_money,
    percent_of_equity,
    rebalance,
    volatility_target,
)
from tests.analytics.backtest._bars import FIRST, Scripted, columns, fills, notes, of, play

BARS = """
    2   10   10   10   10  1000
    3   10   12   10   12  1000
    4   12   12    8    8  1000
    5    6    6    4    4  1000
    8    5    5    5    5  1000
"""
"""There is a weekend between day 5 and day 8."""


# Long and short


def test_a_long_position_earns_what_its_price_rises() -> None:
    result = play({2: Action.buy(10), 3: Action.close()}, BARS)
    assert columns(result, "cash") == [1000, 900, 1020, 1020, 1020]
    assert columns(result, "long") == [0, 120, 0, 0, 0]
    assert columns(result, "equity") == [1000, 1020, 1020, 1020, 1020]
    (trade,) = result.closed_positions
    assert (trade.quantity, trade.entry_price, trade.exit_price, trade.pnl, trade.return_pct) == (10, 10, 12, 20, 20)


def test_a_short_position_earns_what_its_price_falls() -> None:
    result = play({2: Action.sell(10), 4: Action.close()}, BARS)
    assert columns(result, "cash") == [1000, 1100, 1100, 1040, 1040]
    assert columns(result, "short") == [0, -120, -80, 0, 0]
    assert columns(result, "equity") == [1000, 980, 1020, 1040, 1040]
    (trade,) = result.closed_positions
    assert (trade.quantity, trade.entry_price, trade.exit_price, trade.pnl, trade.return_pct) == (-10, 10, 6, 40, 40)


def test_a_trade_goes_from_flat_to_flat_whatever_is_added_and_sold_in_between() -> None:
    """10 shares are bought at 10 and 5 at 12, 6 are sold at 6 and 9 at 5: 160 is paid, 81 received."""
    result = play({2: Action.buy(10), 3: Action.buy(5), 4: Action.sell(6), 5: Action.sell(9)}, BARS)
    (trade,) = result.closed_positions
    assert (trade.quantity, trade.pnl) == (15, -79)
    assert (trade.entry_price, trade.exit_price) == (pytest.approx(160 / 15), pytest.approx(81 / 15))
    assert ((trade.entry_date - FIRST).days, (trade.exit_date - FIRST).days) == (2, 7)
    assert trade.return_pct == pytest.approx(100 * -79 / 160)


def test_the_entry_price_of_what_is_held_is_the_mean_of_what_was_bought() -> None:
    (position,) = play({2: Action.buy(10), 3: Action.buy(5), 4: Action.sell(6)}, BARS).open_positions
    assert (position.quantity, position.entry_price) == (9, pytest.approx(160 / 15))


def test_an_order_through_zero_closes_one_trade_and_opens_another() -> None:
    """15 shares are sold at 12 for a fee of 3; two thirds of the fee belong to the 10 shares of the position."""
    result = play({2: Action.buy(10), 3: Action.sell(15), 4: Action.close()}, BARS, commission="0.2/share")
    assert [(trade.quantity, trade.commission) for trade in result.closed_positions] == [
        (10, pytest.approx(4)),
        (-5, pytest.approx(2)),
    ]
    assert [trade.pnl for trade in result.closed_positions] == pytest.approx([20 - 4, 30 - 2])
    assert columns(result, "cash")[-1] == pytest.approx(1000 + 16 + 28)


def test_short_selling_can_be_forbidden() -> None:
    script = {2: Action.sell(10), 3: Action.buy(10), 4: [Action.sell(11), Action.sell(10)]}
    result = play(script, BARS, allow_short=False)
    assert fills(result) == [(4, 10, 12), (5, -10, 6)]
    assert notes(result) == [
        (
            3,
            "AAA",
            "order to sell 10 rejected: selling short is not allowed; 1 more like it, the last on 2024-01-05",
        ),
    ]


# Cash and margin


def test_cash_never_goes_below_zero_unless_allowed() -> None:
    assert fills(play({2: Action.buy(100)}, BARS)) == [(3, 100, 10)]
    result = play({2: Action.buy(101)}, BARS)
    assert fills(result) == []
    assert notes(result) == [(3, "AAA", "order to buy 101 rejected: it costs 1,010.00, and there is 1,000.00")]


def test_an_order_is_weighed_at_the_price_of_its_fill_and_not_at_its_decision() -> None:
    """100 shares are worth 1,200 at the open of day 4, and 800 at its close."""
    assert fills(play({3: Action.buy(100)}, BARS)) == []
    assert fills(play({4: Action.buy(160)}, BARS)) == [(5, 160, 6)]


def test_a_rejected_order_is_gone_and_leaves_the_others() -> None:
    strategy = Scripted({2: [Action.buy(101), Action.buy(1, limit=5)]})
    assert fills(play(strategy, BARS)) == [(5, 1, 5)]
    assert strategy.open == [0, 1, 1, 0, 0]


def test_leverage_allows_negative_cash_up_to_so_much_exposure() -> None:
    result = play({2: Action.buy(200)}, BARS, leverage=2)
    assert fills(result)[0] == (3, 200, 10)
    assert columns(result, "cash")[1] == -1000
    result = play({2: Action.buy(201)}, BARS, leverage=2)
    assert notes(result) == [
        (3, "AAA", "order to buy 201 rejected: exposure would be 2,010.00, and 2 x equity is 2,000.00")
    ]


def test_short_positions_count_as_exposure() -> None:
    """The proceeds of a short sale do not add to the buying power."""
    bars = BARS + of("BBB", BARS)
    assert fills(play({2: Action.sell(100)}, bars)) == [(3, -100, 10)]
    assert fills(play({2: Action.sell(101)}, bars)) == []
    result = play({2: [Action.sell(60), Action.buy(41, symbol="BBB")]}, bars)
    assert (fills(result), fills(result, "BBB")) == ([(3, -60, 10)], [])
    result = play({2: [Action.sell(60), Action.buy(40, symbol="BBB")]}, bars)
    assert (fills(result), fills(result, "BBB")) == ([(3, -60, 10)], [(3, 40, 10)])


def test_what_reduces_a_position_is_always_allowed() -> None:
    """Shares sold short at 4 are bought back at 9: the loss exceeds the account's equity."""
    bars = "2 4 4 4 4 9 \n 3 4 4 4 4 9 \n 4 9 9 9 9 9 \n 5 9 9 9 9 9"
    result = play({2: Action.sell(250), 3: Action.close()}, bars)
    assert fills(result) == [(3, -250, 4), (4, 250, 9)]
    assert columns(result, "cash") == [1000, 2000, -250, -250]


def test_interest_is_paid_on_negative_cash_by_the_calendar() -> None:
    """No interest on the day of the fill, then one day's per session, and three days' over the weekend."""
    result = play({2: Action.buy(150)}, BARS, leverage=2, interest_rate=0.365, maintenance_margin=0)
    owed = [1000.0, -500.0]
    for days in (1, 1, 3):
        owed.append(owed[-1] * (1 + 0.365 * days / 365))
    assert columns(result, "cash") == pytest.approx(owed)
    assert result.costs.interest == pytest.approx(-500 - owed[-1])


def test_no_interest_is_paid_on_cash() -> None:
    assert columns(play({}, BARS, interest_rate=0.365), "cash") == [1000] * 5


def test_borrow_cost_is_paid_on_the_value_of_what_is_short_by_the_calendar() -> None:
    """The rate is 0.1 % per day: one day on 120 and one on 80, then three days on 40."""
    result = play({2: Action.sell(10)}, BARS, borrow_rate=0.365)
    assert columns(result, "cash") == pytest.approx([1000, 1100, 1100 - 0.12, 1100 - 0.2, 1100 - 0.32])
    assert (result.costs.borrow, result.costs.interest) == (pytest.approx(0.32), 0)


def test_no_borrow_cost_is_paid_on_what_is_long() -> None:
    assert play({2: Action.buy(10)}, BARS, borrow_rate=0.365).costs.borrow == 0


def test_a_margin_call_closes_everything_at_the_next_open() -> None:
    """150 shares and a debt of 500: equity ÷ exposure is 100 ÷ 600 at a close of 4, and 700 ÷ 1,200 at 8."""
    result = play({2: Action.buy(150)}, BARS, leverage=2)
    assert notes(result) == [(5, None, "margin call: equity of 100.00 for an exposure of 600.00")]
    assert fills(result) == [(3, 150, 10), (8, -150, 5)]
    assert [(trade.reason, trade.pnl) for trade in result.closed_positions] == [("margin call", -750)]


def test_a_margin_call_comes_where_equity_is_below_the_maintenance() -> None:
    """Equity ÷ exposure is 1/6 on day 5, and 7/12 on day 4."""
    assert len(fills(play({2: Action.buy(150)}, BARS, leverage=2, maintenance_margin=0.16))) == 1
    assert fills(play({2: Action.buy(150)}, BARS, leverage=1.6, maintenance_margin=0.6))[1] == (5, -150, 6)


def test_a_margin_call_closes_short_positions_and_overrules_what_was_decided() -> None:
    bars = "2 10 10 10 10 9 \n 3 10 18 10 18 9 \n 4 17 17 17 17 9"
    result = play({2: Action.sell(100), 3: Action.buy(1, limit=1)}, bars)
    assert notes(result) == [(3, None, "margin call: equity of 200.00 for an exposure of 1,800.00")]
    assert fills(result) == [(3, -100, 10), (4, 100, 17)]


def test_an_account_without_margin_and_short_positions_is_never_called() -> None:
    assert notes(play({2: Action.buy(100)}, BARS, maintenance_margin=0.99)) == []


# Position sizing


def account(**positions: float) -> Portfolio:
    """Return an account with cash of 1,000 and shares at a price of 7."""
    open_positions = {symbol: Position(symbol, shares, 7, FIRST, shares > 0) for symbol, shares in positions.items()}
    return Portfolio(1000, 1000, positions=open_positions, prices={"AAA": 7.0, "BBB": 7.0})


def test_fixed_money_buys_whole_shares() -> None:
    assert [fixed_money(account(), "AAA", money) for money in (100, 6.99, 0)] == [14, 0, 0]


def test_percent_of_equity_counts_positions_and_stays_within_the_buying_power() -> None:
    assert percent_of_equity(account(), "AAA", 50) == 500 // 7
    assert percent_of_equity(account(BBB=100), "AAA", 50) == 850 // 7
    assert percent_of_equity(account(BBB=100), "AAA", 100) == 950 // 7, "a twentieth of the cash is kept back"
    assert percent_of_equity(account(BBB=-200), "AAA", 100) == 0, "what is short leaves none"


def test_percent_of_equity_uses_leverage() -> None:
    portfolio = account()
    portfolio.leverage = 2
    assert (portfolio.buying_power, percent_of_equity(portfolio, "AAA", 150)) == (2000, 1500 // 7)


def test_volatility_target_holds_less_of_what_moves_more() -> None:
    assert volatility_target(account(), "AAA", 40, 10) == 250 // 7
    assert volatility_target(account(), "AAA", 20, 10) == 500 // 7
    assert volatility_target(account(), "AAA", 5, 10) == 950 // 7, "no more than all"
    assert volatility_target(account(), "AAA", 5, 10, max_percent=30) == 300 // 7
    assert volatility_target(account(), "AAA", 5, 10, most=30) == 300 // 7, "the former name"
    assert volatility_target(account(), "AAA", 0, 10) == 0


def test_rebalance_turns_the_account_into_weights_and_closes_the_rest() -> None:
    """The equity is 1,700; half of it is 121 shares of BBB."""
    orders = list(rebalance(account(AAA=100), {"BBB": 50}))
    assert [(order.symbol, order.quantity) for order in orders] == [("AAA", None), ("BBB", 121)]
    orders = list(rebalance(account(AAA=100), {"AAA": 20, "BBB": -20}))
    assert orders == [Action.target(48, symbol="AAA"), Action.target(-48, symbol="BBB")]
    assert list(rebalance(account(AAA=100), {"AAA": 41.2})) == [], "nothing to change"


class Balanced(Strategy):
    """Rebalances to fixed weights after the close of day 2."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = weights

    def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
        """Wait for all symbols of the session."""

    def on_bar_end(self, date: date, portfolio: Portfolio) -> list[Action]:
        """Return the orders of day 2."""
        return rebalance(portfolio, self.weights) if date.day == 2 else []


FLAT = "2 10 10 10 10 99 \n 3 10 10 10 10 99"


def test_rebalance_to_all_of_the_account_buys_what_is_left_after_the_costs() -> None:
    """60 and 40 shares cost 1,000; 1 % commission leaves the money for 39."""
    result = play(Balanced({"AAA": 60, "BBB": 40}), FLAT + "\n" + of("BBB", FLAT), commission="1%")
    assert (fills(result), fills(result, "BBB")) == ([(3, 60, 10)], [(3, 39, 10)])
    assert notes(result) == []
    assert columns(result, "cash")[-1] == pytest.approx(1000 - 990 * 1.01)


def test_rebalance_notes_a_symbol_that_has_not_started() -> None:
    bars = FLAT + "\n" + of("BBB", "3 10 10 10 10 99")
    result = play(Balanced({"AAA": 50, "BBB": 40}), bars)
    assert (fills(result), result.error) == ([(3, 50, 10)], None)
    assert [text for _, symbol, text in notes(result) if symbol == "BBB"] == [
        "order rejected: the symbol has had no bar so far (the first of them)"
    ]


# Rounding errors of quantities are relative


def flat_price(price: float, days: int) -> str:
    return "\n".join(f"{day} {price} {price} {price} {price} 1000" for day in range(2, 2 + days))


@pytest.mark.parametrize("shares", [100 / 7, 1e8 / 7, 1e-6 / 7])
def test_a_position_that_is_sold_in_tenths_is_closed(shares: float) -> None:
    sales = {day: Action.sell(shares * 0.1) for day in range(3, 13)}
    result = play({2: Action.buy(shares), **sales}, flat_price(100 / shares, 12))
    assert list(result.open_positions) == []
    (trade,) = result.closed_positions
    assert trade.quantity == pytest.approx(shares)


def test_a_tiny_rest_of_a_tiny_position_is_no_rounding_error() -> None:
    """A rest of 5e-10 shares is worth half a unit of money here."""
    result = play({2: Action.buy(1e-6), 3: Action.sell(1e-6 * 0.9995)}, flat_price(1e8, 3))
    (position,) = result.open_positions
    assert position.quantity == pytest.approx(5e-10)
