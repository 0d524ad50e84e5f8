"""Commission and slippage of a fill, in the account and in the total costs."""

from __future__ import annotations

from typing import Any

import pytest

from stockstream.analytics.backtest import Action, Order
from stockstream.analytics.backtest.model import BROKERS, parse_commission, parse_slippage
from stockstream.sql.errors import UsageError
from tests.analytics.backtest._bars import columns, fills, of, play

BARS = "2 10 10 10 10 1000 \n 3 20 22 18 20 1000 \n 4 20 20 20 20 1000"
"""Bought at 20 per share on day 3, sold at 20 on day 4."""


@pytest.mark.parametrize(
    ("text", "fee"),
    [
        ("0.1%", 0.2),
        ("1% min 6", 6.0),
        ("4% min 6", 8.0),
        ("0.005/share", 0.05),
        ("0.005/share min 1", 1.0),
        ("0.2/share min 1", 2.0),
        ("5/fill + 0.1%", 5.2),
        ("5/fill + 0.1% min 6", 6.0),
        ("0.01/share + 0.1%", 0.3),
        ("2/fill", 2.0),
        ("zero", 0.0),
        ("commsec", 5.0),
        ("selfwealth", 9.5),
        ("ibkr-asx", 6.0),
        ("ibkr-us", 1.0),
    ],
)
def test_commission_is_paid_on_each_fill(text: str, fee: float) -> None:
    """The fill is 10 shares at 20, worth 200."""
    result = play({2: Action.buy(10), 3: Action.close()}, BARS, commission=text)
    assert [one.commission for one in result.transactions] == pytest.approx([fee, fee])
    assert columns(result, "cash") == pytest.approx([1000, 800 - fee, 1000 - 2 * fee])
    assert result.costs.commission == pytest.approx(2 * fee)
    (trade,) = result.closed_positions
    assert (trade.commission, trade.pnl) == pytest.approx((2 * fee, -2 * fee))


@pytest.mark.parametrize(
    ("broker", "shares", "price", "fee"),
    [
        ("commsec", 100, 10, 5.0),
        ("commsec", 100, 10.01, 10.0),
        ("commsec", 100, 30, 10.0),
        ("commsec", 100, 100, 19.95),
        ("commsec", 100, 250, 29.95),
        ("commsec", 100, 250.5, 25_050 * 0.0012),
        ("selfwealth", 100_000, 10, 9.5),
        ("ibkr-asx", 1_000, 10, 8.0),
        ("ibkr-us", 1_000, 10, 5.0),
        ("ibkr-us", 100, 0.5, 0.5),  # at most 1 % of the trade
        ("zero", 1_000, 10, 0.0),
    ],
)
def test_a_broker_charges_by_its_tiers(broker: str, shares: float, price: float, fee: float) -> None:
    assert BROKERS[broker](shares, price) == pytest.approx(fee)


def test_a_minimum_is_paid_for_each_part_of_an_order() -> None:
    """Brokers charge the minimum per order and day, so each partial fill of another day pays it."""
    result = play({2: Action.buy(10)}, BARS, commission="1% min 6", volume_limit=0.005)
    assert [(one.quantity, one.commission) for one in result.transactions] == [(5, 6), (5, 6)]


@pytest.mark.parametrize(
    ("text", "worse"),
    [
        ("none", 0.0),
        ("0.05/share", 0.05),
        ("25bps", 0.05),
        ("volume-share", 20 * 0.1 * 0.1**2),
        ("volume-share 0.5", 20 * 0.5 * 0.1**2),
    ],
)
def test_slippage_makes_market_orders_worse(text: str, worse: float) -> None:
    """100 shares are 10 % of the volume."""
    options = {"slippage": text, "initial_capital": 10_000}
    result = play({2: Action.buy(100), 3: Action.close()}, BARS, **options)
    assert [one.price for one in result.transactions] == pytest.approx([20 + worse, 20 - worse])
    assert [one.slippage for one in result.transactions] == pytest.approx([100 * worse] * 2)
    assert columns(result, "cash")[-1] == pytest.approx(10_000 - 200 * worse)
    assert result.costs.slippage == pytest.approx(200 * worse)


def test_slippage_makes_stop_orders_worse() -> None:
    result = play({2: [Action.buy(1, stop=21), Action.sell(2, stop=19)]}, BARS, slippage="0.5/share")
    assert sorted(fills(result)) == [(3, -2, 18.5), (3, 1, 21.5)]


def test_limit_orders_have_no_slippage() -> None:
    script = {2: [Action.buy(1, limit=19), Action.buy(1, stop=20.5, limit=21)]}
    result = play(script, BARS, slippage="0.5/share")
    assert sorted(fills(result)) == [(3, 1, 19), (3, 1, 20.5)]
    assert result.costs.slippage == 0


def test_volume_share_grows_with_the_square_of_the_share_and_stops_at_all() -> None:
    impact = parse_slippage("volume-share 0.1")
    assert impact is not None
    assert [impact(shares, 20, 100) for shares in (10, 20, 100, 200)] == pytest.approx([0.02, 0.08, 2, 2])
    assert [impact(1, 20, None), impact(1, 20, 0)] == [2, 2]


def test_slippage_above_the_price_is_paid_in_full_and_turns_no_price_below_zero() -> None:
    """For example, half a spread of one cent may exceed a price of half a cent."""
    result = play({2: Action.buy(10), 3: Action.close()}, BARS, slippage="30/share")
    assert fills(result) == [(3, 10, 50), (4, -10, 0)]
    assert columns(result, "cash")[-1] == 500


def test_what_a_fill_costs_has_to_be_paid_for_too() -> None:
    """50 shares at 20 need all of the cash, so nothing is left for the costs."""
    assert fills(play({2: Action.buy(50)}, BARS)) == [(3, 50, 20)]
    assert fills(play({2: Action.buy(50)}, BARS, commission="0.1%")) == []
    assert fills(play({2: Action.buy(50)}, BARS, slippage="1bps")) == []


@pytest.mark.parametrize(
    "text",
    ["", "0.1", "1 %/share", "-1%", "0.1% max 3", "nan%", "robinhood", "5 + 0.1%", "1% + -1%", "1%, limit 1", "1% +"],
)
def test_a_commission_that_cannot_be_read_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match=r"write 0\.1%"):
        parse_commission(text)
    with pytest.raises(UsageError, match=r"write 0\.1%"):
        play({}, BARS, commission=text)


@pytest.mark.parametrize("text", ["", "5", "5 %", "-5bps", "volume", "volume-share -1"])
def test_a_slippage_that_cannot_be_read_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="write 5bps"):
        play({}, BARS, slippage=text)


def test_a_limit_order_that_waits_for_its_limit_earns_a_rebate() -> None:
    """10 shares at 20 are worth 200: 1 % at the open is 2, and 0.5 % back at the limit of 19 is -0.95."""
    script = {2: [Action.buy(10), Action.buy(10, limit=19), Action.buy(1, limit=25)]}
    result = play(script, BARS, commission="1%, limit -0.5%")
    assert [(one.price, one.commission) for one in result.transactions] == [
        (20, pytest.approx(2)), (20, pytest.approx(0.2)), (19, pytest.approx(-0.95)),
    ]  # fmt: skip
    assert result.costs.commission == pytest.approx(1.25)
    assert columns(result, "cash")[1] == pytest.approx(1000 - 200 - 190 - 20 - 1.25)


def test_commission_and_slippage_may_be_functions() -> None:
    """3 money and 1 % of 10 shares at 20.5; a slippage of a tenth of the fraction of the volume, and 0.49."""

    def fee(quantity: float, price: float) -> float:
        return 3 + 0.01 * quantity * price

    def worse(quantity: float, price: float, volume: float | None) -> float:
        assert volume == 1000
        return quantity / volume + 0.49

    result = play({2: Action.buy(10)}, BARS, commission=fee, slippage=worse)
    (one,) = result.transactions
    assert (one.price, one.commission, one.slippage) == pytest.approx((20.5, 5.05, 5))
    assert result.setup["commission"].endswith("test_commission_and_slippage_may_be_functions.<locals>.fee")


def test_a_function_may_take_the_order() -> None:
    def fee(quantity: float, price: float, order: Order) -> float:
        return 1 if order.tag == "cheap" else 7

    script = {2: [Action.buy(1, tag="cheap"), Action.buy(1)]}
    assert [one.commission for one in play(script, BARS, commission=fee).transactions] == [1, 7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"commission": lambda quantity: 1}, "it must take quantity, price, and may take order"),
        ({"slippage": lambda quantity, price: 1}, "it must take quantity, price, volume, and may take order"),
        ({"commission": lambda quantity, price: 1 / 0}, "for 1 shares at 20: ZeroDivisionError: division by zero"),
        ({"commission": lambda quantity, price: float("nan")}, "it returned nan: a finite number is needed"),
        ({"slippage": lambda quantity, price, volume: -1}, "it returned -1: a finite number is needed, for slippage"),
        ({"borrow_rates": {"ZZZ": 0.1}}, "borrow_rates: ZZZ has no bar in this run"),
        ({"borrow_rates": "AAA"}, "borrow_rates AAA: write GME=0.5,AMC=0.2"),
        ({"borrow_rates": {"AAA": -1}}, "borrow_rates.AAA"),
    ],
)
def test_costs_that_are_none_are_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        play({2: Action.buy(1)}, BARS, **options)
    assert message in str(raised.value)


@pytest.mark.parametrize("rates", [{"AAA": 0.73}, "AAA=0.73, BBB=0.01"])
def test_a_symbol_has_its_own_borrow_rate(rates: Any) -> None:
    """10 shares at 20 are short for one day from day 3 to 4: 73 % of 200 a year are 0.40, 36.5 % are 0.20."""
    bars = BARS + "\n" + of("BBB", BARS)
    script = {2: [Action.sell(10), Action.sell(10, symbol="BBB")]}
    result = play(script, bars, borrow_rate=0.365, borrow_rates=rates)
    other = 0.2 if isinstance(rates, dict) else 200 * 0.01 / 365
    assert result.costs.borrow == pytest.approx(0.4 + other)
