"""Weights from past prices, with values by hand: the returns of A and B are uncorrelated, those of B twice as large."""

from __future__ import annotations

from datetime import date

import pytest

from stockstream.analytics.backtest import Action, Data, Portfolio, Strategy, optimal_weights, rebalance
from stockstream.sql.errors import UsageError
from tests.analytics.backtest._bars import fills, play


def compounded(*returns: float) -> list[float]:
    prices = [100.0]
    for one in returns:
        prices.append(prices[-1] * (1 + one))
    return prices


A = compounded(0.01, -0.01, 0.01, -0.01)
B = compounded(0.02, 0.02, -0.02, -0.02)


@pytest.mark.parametrize(
    ("method", "weight"),
    [
        ("equal", 50),
        ("inverse_volatility", 200 / 3),
        ("risk_parity", 200 / 3),
        ("min_variance", 80),
        ("hierarchical_risk_parity", 80),
    ],
)
def test_two_uncorrelated_symbols(method: str, weight: float) -> None:
    """Variances of 1 and 4: 1/σ gives 2:1, 1/σ² gives 4:1."""
    weights = optimal_weights({"A": A, "B": B}, method)
    assert weights == pytest.approx({"A": weight, "B": 100 - weight}, abs=0.01)


def test_the_largest_sharpe_ratio_is_in_proportion_to_mean_over_variance() -> None:
    """Means of 0.2 % and 0.4 %, variances of 1 and 4: 0.2 / 1 to 0.4 / 4 is 2:1."""
    a = compounded(*(one + 0.002 for one in (0.01, -0.01, 0.01, -0.01)))
    b = compounded(*(one + 0.004 for one in (0.02, 0.02, -0.02, -0.02)))
    assert optimal_weights({"A": a, "B": b}, "max_sharpe") == pytest.approx({"A": 200 / 3, "B": 100 / 3}, abs=0.05)


def test_a_maximum_weight() -> None:
    assert optimal_weights({"A": A, "B": B}, max_percent=60) == pytest.approx({"A": 60, "B": 40}, abs=0.01)


def test_an_optimiser_of_skfolio() -> None:
    from skfolio.optimization import MeanRisk

    assert optimal_weights({"A": A, "B": B}, MeanRisk(min_weights=0.3))["B"] == pytest.approx(30, abs=0.01)


@pytest.mark.parametrize(
    ("prices", "method", "limit", "message"),
    [
        ({}, "equal", 100, "the same number of prices of each symbol"),
        ({"A": A, "B": B[1:]}, "equal", 100, "the same number of prices of each symbol"),
        ({"A": A, "B": [*B[1:], float("nan")]}, "equal", 100, "B has a price that is unknown or not above 0"),
        ({"A": A, "B": B}, "luck", 100, "no method luck: there are equal, inverse_volatility"),
        ({"A": A, "B": B}, "min_variance", 40, "2 symbols cannot have 100 per cent together"),
        ({"A": A, "B": B}, "equal", 60, "max_percent has no effect on equal"),
        ({"A": A, "B": B}, object(), 100, "AttributeError"),
    ],
)
def test_what_cannot_be_optimised_is_an_error(
    prices: dict[str, list[float]], method: object, limit: float, message: str
) -> None:
    with pytest.raises(UsageError) as raised:
        optimal_weights(prices, method, max_percent=limit)
    assert message in str(raised.value)


def test_a_strategy_rebalances_to_them() -> None:
    """At the close of day 5: 80 % of 100,000 in AAA at 99.98, 20 % in BBB at 99.92."""

    class MinVariance(Strategy):
        columns = ("history(adjusted_close, 5)",)

        def on_start(self, symbols: object, portfolio: Portfolio) -> None:
            self.prices: dict[str, list[float]] = {}

        def on_data(self, date: date, symbol: str, data: Data, portfolio: Portfolio) -> None:
            self.prices[symbol] = data.history_adjusted_close_5

        def on_bar_end(self, date: date, portfolio: Portfolio) -> list[Action] | None:
            is_full = min(map(len, self.prices.values())) == 5
            return rebalance(portfolio, optimal_weights(self.prices)) if is_full and not portfolio.positions else None

    rows = [
        f"{symbol} {number} {price} {price} {price} {price} 100000"
        for symbol, prices in (("AAA", A), ("BBB", B))
        for number, price in enumerate([*prices, prices[-1]], 1)
    ]
    result = play(MinVariance(), "\n".join(rows), initial_capital=100_000)
    assert fills(result) == [(6, int(80_000 / A[-1]), A[-1])]
    assert fills(result, "BBB") == [(6, int(20_000 / B[-1]), B[-1])]
