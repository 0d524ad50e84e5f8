"""Splits and dividends on days without a close, changes of codes, and notes that say a thing once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from stockstream import analytics
from stockstream.analytics.backtest import Action, Result, backtest
from tests.analytics.backtest._bars import FREE, SRC, Script, Scripted, day, fills, notes, number, play, table

SUSPENDED = """
    AAA 1 10 10 10 10 1000
    BBB 1 1 1 1 1 1000
    AAA 2 10 10 10 10 1000
    BBB 2 1 1 1 1 1000
    AAA 3 - - - - - dividend=0.5 split=2
    BBB 3 1 1 1 1 1000
    BBB 4 1 1 1 1 1000
    BBB 5 1 1 1 1 1000
    AAA 6 6 6 6 6 1000
    BBB 6 1 1 1 1 1000
"""


def test_a_split_and_a_dividend_on_a_day_without_a_close_are_credited() -> None:
    """Ten shares become twenty at 5, and each is paid 0.5."""
    result = play({1: Action.buy(10), 2: Action.sell(10, limit=12)}, SUSPENDED)
    assert [(number(one.date), one.kind, one.amount) for one in result.ledger[1:]] == [
        (2, "buy", -100), (3, "dividend", 10), (6, "sell", 120),
    ]  # fmt: skip
    assert result.curve.equity.tolist() == [1000, 1000, 1010, 1010, 1010, 1030]


def test_they_are_credited_before_a_delisting() -> None:
    result = play({1: Action.buy(10)}, SUSPENDED, delist_after=2, end=day(5))
    assert [one.kind for one in result.ledger] == ["initial capital", "buy", "dividend", "delisted"]
    assert result.curve.equity[-1] == 1010


@pytest.mark.parametrize("prices", ["as_traded", "adjusted"])
def test_they_are_part_of_the_return_whatever_the_prices(prices: str) -> None:
    """From 10 at day 2 to 6 at day 6: two shares and 0.5 per share of what was 5."""
    result = play({1: Action.buy(10)}, SUSPENDED, prices=prices)
    earned = result.curve.equity[-1] - 1000
    assert earned == pytest.approx(30 if prices == "as_traded" else 10 * (6 * 2 / (1 - 0.5 / 5)) - 100)


SPLIT = """
    1 100 100 100 100 1000
    2 100 100 100 100 1000
    3 50 50 50 50 2000 split=2
    4 50 50 50 50 2000
    5 50 50 50 50 2000
"""


@pytest.mark.parametrize(
    "settings",
    [
        {"commission": "0.05/share"},
        {"commission": "0.05/share min 1"},
        {"slippage": "0.1/share"},
        {"slippage": "volume-share 0.5"},
        {"slippage": "5bps", "commission": "0.1%"},
        {"commission": "ibkr-us", "at_end": "close"},
    ],
)
def test_costs_are_the_same_for_prices_of_the_day_and_adjusted_prices(settings: Mapping[str, Any]) -> None:
    """After a split in two, ten shares for 50 are five adjusted shares for 100."""
    scripts: list[tuple[str, Script]] = [
        ("as_traded", {1: Action.buy(8), 3: Action.buy(10)}), ("adjusted", {1: Action.buy(8), 3: Action.buy(5)}),
    ]  # fmt: skip
    results = [play(script, SPLIT, initial_capital=10_000, prices=prices, **settings) for prices, script in scripts]
    traded, adjusted = results
    assert traded.costs.commission + traded.costs.slippage > 0
    assert adjusted.curve.equity.tolist() == pytest.approx(traded.curve.equity.tolist())
    assert adjusted.costs.commission == pytest.approx(traded.costs.commission)
    assert adjusted.costs.slippage == pytest.approx(traded.costs.slippage)


def test_a_volume_limit_is_the_same_for_prices_of_the_day_and_adjusted_prices() -> None:
    traded = play({3: Action.buy(400)}, SPLIT, initial_capital=100_000, volume_limit=0.1)
    adjusted = play({3: Action.buy(200)}, SPLIT, initial_capital=100_000, volume_limit=0.1, prices="adjusted")
    assert [one[1] for one in fills(traded)] == [200, 200]
    assert [one[1] for one in fills(adjusted)] == [100, 100]


CODES = """
    OLD 1 10 10 10 10 1000
    CCC 1 3 3 3 3 1000
    OLD 2 10 10 10 10 1000
    CCC 2 3 3 3 3 1000
    NEW 4 11 11 11 11 1000
    CCC 4 3 3 3 3 1000
    NEW 5 12 12 12 12 1000
    CCC 5 3 3 3 3 1000
"""
BUY = {1: Action.buy(10, symbol="OLD", stop_loss=5), 4: Action.sell(4, symbol="NEW")}


def renamed(script: Script, bars: str = CODES, **settings: Any) -> Result:
    """Run a script on bars while the lists of companies say that OLD is NEW from day 3 on."""
    con = analytics.connect("no-lake")
    con.register(SRC, table(bars))
    con.execute(
        "CREATE OR REPLACE TEMP VIEW metadata AS FROM (VALUES "
        f"('OLD', CAST(NULL AS DATE), DATE '{day(3)}', 'NEW'), ('NEW', DATE '{day(3)}', NULL, NULL)"
        ") AS periods (symbol, valid_from, valid_to, renamed_to)"
    )
    result = backtest(Scripted(script), con=con, src=SRC, **{**FREE, **settings})
    assert result.error is None, result.error
    return result


def test_a_renamed_symbol_keeps_its_position_and_its_orders_under_the_new_code() -> None:
    result = renamed(BUY)
    assert fills(result, "OLD") == [(2, 10, 10)]
    assert fills(result, "NEW") == [(5, -4, 12)]
    assert [(one.symbol, one.quantity, one.entry_price) for one in result.open_positions] == [("NEW", 6, 10)]
    assert [(one.symbol, one.stop) for one in result.orders if one.status == "open"] == [("NEW", 5)]
    assert notes(result) == [(4, "OLD", "the code is now NEW: 10 shares and the open orders go on under it")]
    assert result.curve.equity.tolist() == [1000, 1000, 1010, 1020]


def test_a_renamed_symbol_whose_new_code_is_not_traded_keeps_its_last_close() -> None:
    result = renamed({1: BUY[1]}, symbols=["OLD", "CCC"])
    text = "the code is now NEW, which is not among the symbols of this run: 10 shares stay at their last close"
    assert notes(result) == [(4, "OLD", text)]
    assert result.curve.equity.tolist() == [1000, 1000, 1000, 1000]


def test_without_lists_of_companies_the_new_code_is_another_symbol_and_the_old_one_ends() -> None:
    result = play({1: Action.buy(10, symbol="OLD", stop_loss=5)}, CODES, delist_after=1)
    assert [(number, symbol) for number, symbol, _ in notes(result)] == [(5, "OLD")]
    assert "delisted" in notes(result)[0][2]
    assert [(one.symbol, one.exit_price, one.exit_date) for one in result.closed_positions] == [("OLD", 10, day(5))]
    assert result.open_positions == []
    assert result.curve.equity.tolist() == [1000, 1000, 1000, 1000]


def test_a_position_under_the_new_code_is_not_mixed_with_that_under_the_old_one() -> None:
    """Another company has had the code NEW before."""
    script = {1: [Action.buy(10, symbol="OLD"), Action.buy(5, symbol="NEW")]}
    result = renamed(script, CODES + "NEW 1 1 1 1 1 1000\nNEW 2 1 1 1 1 1000")
    assert {one.symbol: one.quantity for one in result.open_positions} == {"OLD": 10, "NEW": 5}
    assert "the code is now NEW, which has another position" in notes(result)[0][2]


def test_orders_that_are_rejected_again_and_again_are_one_note() -> None:
    script = {number: Action.buy(100 + number) for number in range(1, 5)}
    result = play(script, "\n".join(f"{number} 100 100 100 100 1000" for number in range(1, 7)))
    assert notes(result) == [
        (2, "AAA", "order to buy 101 rejected: it costs 10,100.00, and there is 1,000.00; 3 more like it, "
                   f"the last on {day(5)}"),
    ]  # fmt: skip
    assert [one.status.value for one in result.orders] == ["rejected"] * 4
