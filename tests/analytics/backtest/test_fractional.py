"""Fractions of a share: sizes, partial fills under a volume limit, money that is short, and splits."""

from __future__ import annotations

import pytest

from stockstream.analytics.backtest import Action, Data, Portfolio, Strategy, fixed_money, percent_of_equity, rebalance
from tests.analytics.backtest._bars import fills, play

BARS = "1 100 100 100 100 30 \n 2 100 100 100 100 30 \n 3 103 103 103 103 30 \n 4 100 100 100 100 5000"


def test_an_order_for_a_fraction_fills_in_fractions_under_a_volume_limit() -> None:
    """A tenth of 30 shares are 3, and an order for 4.5 has 1.5 left; one of 0.25 shares is all filled."""
    assert fills(play({1: Action.buy(4.5)}, BARS, volume_limit=0.1)) == [(2, 3, 100), (3, 1.5, 103)]
    tiny = BARS.replace("100 30", "100 1")
    assert fills(play({1: Action.buy(0.25)}, tiny, volume_limit=0.1)) == [(2, 0.1, 100), (3, 0.15, 103)]


def test_an_order_for_whole_shares_fills_in_whole_shares_under_a_volume_limit() -> None:
    assert fills(play({1: Action.buy(4)}, BARS, volume_limit=0.05)) == [(2, 1, 100), (3, 1, 103), (4, 2, 100)]
    assert fills(play({1: Action.buy(4)}, BARS, volume_limit=0.05, fractional=True)) == [
        (2, 1.5, 100), (3, 1.5, 103), (4, 1, 100),
    ]  # fmt: skip


def test_targets_are_fractions_in_a_fractional_account() -> None:
    """45 % of 1000 at 100, and then a value of 515 at 103."""
    script = {1: Action.target_percent(45), 3: Action.target_value(515)}
    assert fills(play(script, BARS, fractional=True)) == [(2, 4.5, 100), (4, 0.5, 100)]
    assert fills(play(script, BARS)) == [(2, 4, 100), (4, 1, 100)]


def test_the_money_there_is_buys_a_fraction() -> None:
    """1000 at the close are 10 shares; the open of 103 leaves 9.70873, in steps of a millionth of the order."""
    assert fills(play({2: Action.target_percent(100)}, BARS, fractional=True)) == [(3, pytest.approx(9.70873), 103)]
    result = play({2: Action.target_percent(100)}, BARS, fractional=True)
    assert 0 <= result.curve.cash[-1] < 0.00001 * 103


def test_a_split_leaves_fractions_instead_of_cash() -> None:
    """Three shares replace two: of 5 shares become 7.5, or 7 and half a share in cash."""
    bars = "1 30 30 30 30 99 \n 2 30 30 30 30 99 \n 3 20 20 20 20 99 split=1.5"
    (position,) = play({1: Action.buy(5)}, bars, fractional=True).open_positions
    assert position.quantity == 7.5
    (position,) = play({1: Action.buy(5)}, bars).open_positions
    assert position.quantity == 7


def test_the_sizing_helpers_return_fractions() -> None:
    class Sizes(Strategy):
        def on_data(self, date: object, symbol: str, data: Data, portfolio: Portfolio) -> None:
            assert fixed_money(portfolio, symbol, 250) == 2.5
            assert percent_of_equity(portfolio, symbol, 25) == 2.5
            assert rebalance(portfolio, {symbol: -25}) == [Action.target(-2.5, symbol=symbol)]

    play(Sizes(), "1 100 100 100 100 30", fractional=True)
