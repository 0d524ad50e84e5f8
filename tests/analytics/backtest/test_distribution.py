"""Tails, shape and drawdown pain of returns; rolling figures; against hand calculations, empyrical and quantstats."""

from __future__ import annotations

import math

import empyrical
import numpy as np
import pandas as pd
import pytest

from stockstream.analytics.backtest.stats import (
    FIGURES,
    GROUPS,
    cautions,
    distribution,
    histogram,
    rolling_beta,
    rolling_sharpe,
    rolling_volatility,
    series,
    summary,
)
from tests.analytics.backtest import _references as references
from tests.analytics.backtest._made_up import NO_COSTS, curve, goog, goog_sma

RETURNS = np.array([0.01, -0.02, 0.03, -0.01, 0.02, 0.0])


def curves() -> dict[str, np.ndarray]:
    return {"held": goog()["Close"].to_numpy(np.float64), "crossover": goog_sma().curve.equity}


@pytest.mark.parametrize("name", ["held", "crossover"])
def test_they_equal_quantstats(name: str) -> None:
    ours = summary(curve(curves()[name]), [], [], NO_COSTS)
    expected = references.QUANTSTATS_TAILS[name]
    assert {key: ours[key] for key in expected} == pytest.approx(expected, rel=1e-10)


def test_the_information_ratio_equals_quantstats() -> None:
    expected = references.QUANTSTATS_INFORMATION_RATIO
    assert goog_sma().metrics["information_ratio"] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", ["held", "crossover"])
def test_they_equal_empyrical_today(name: str) -> None:
    returns = series.returns(curves()[name])
    rf = 0.02 / 252
    pairs = {
        "value_at_risk": (distribution.value_at_risk(returns), empyrical.value_at_risk(returns)),
        "cvar": (distribution.conditional_value_at_risk(returns), empyrical.conditional_value_at_risk(returns)),
        "tail_ratio": (distribution.tail_ratio(returns), empyrical.tail_ratio(returns)),
        "omega": (distribution.omega(returns, rf), empyrical.omega_ratio(pd.Series(returns), rf)),
    }
    for ours, theirs in pairs.values():
        assert ours == pytest.approx(theirs, rel=1e-10)


def test_relative_figures_equal_empyrical_today() -> None:
    account = goog_sma()
    returns, market = series.returns(account.curve.equity), series.returns(account.curve.benchmark)
    active = returns - market
    assert account.metrics["tracking_error"] == pytest.approx(empyrical.annual_volatility(active), rel=1e-10)
    assert account.metrics["information_ratio"] == pytest.approx(empyrical.excess_sharpe(returns, market), rel=1e-10)


def test_rolling_figures_equal_empyrical_and_quantstats() -> None:
    account = goog_sma().curve
    returns, market = series.returns(account.equity), series.returns(account.benchmark)
    volatility, sharpe = rolling_volatility(returns), rolling_sharpe(returns)
    assert np.isnan(volatility[:125]).all()
    assert volatility[125:] == pytest.approx(empyrical.roll_annual_volatility(returns, 126), rel=1e-9)
    theirs = empyrical.roll_sharpe_ratio(returns, 126)
    defined = np.isfinite(sharpe[125:])
    assert sharpe[125:][defined] == pytest.approx(theirs[defined], rel=1e-6)
    betas = rolling_beta(returns, market)
    assert betas[125:] == pytest.approx(empyrical.roll_beta(returns, market, 126), rel=1e-6, abs=1e-12)
    ours = [sharpe[1000], volatility[1000], betas[1000]]
    assert ours == pytest.approx(references.QUANTSTATS_ROLLING_AT_1000, rel=1e-9)


@pytest.mark.parametrize("prices", [10 * 1.1 ** np.arange(6), [10.0] * 5, [10, 11]])
def test_returns_that_differ_by_rounding_errors_only_are_in_the_middle_of_the_histogram(prices: list[float]) -> None:
    returns = series.returns(np.asarray(prices, float))
    counts, edges = histogram(np.repeat(returns, 2))
    assert counts[len(counts) // 2] == counts.sum() == 2 * len(returns)
    assert edges[-1] - edges[0] == pytest.approx(0.01)


def test_by_hand() -> None:
    assert distribution.value_at_risk(RETURNS) == pytest.approx(-0.02 + 0.25 * 0.01)
    assert distribution.conditional_value_at_risk(RETURNS) == -0.02  # ⌊0.05 × 5⌋ + 1 is one of six
    assert distribution.omega(RETURNS) == pytest.approx(0.06 / 0.03)
    assert distribution.tail_ratio(RETURNS) == pytest.approx((0.03 - 0.25 * 0.01) / (0.02 - 0.25 * 0.01))
    assert distribution.skew(np.array([-1.0, 0, 1])) == pytest.approx(0)
    assert distribution.kurtosis(np.array([1.0, 2, 3, 4])) == pytest.approx(-1.2)
    falls = np.array([100.0, 90, 100, 80])  # drawdowns 0.1, 0, 0.2
    assert distribution.ulcer_index(falls) == pytest.approx(math.sqrt((0.01 + 0.04) / 2))
    counts, edges = histogram(RETURNS)
    assert (counts.sum(), edges[0], edges[-1]) == (6, -0.02, 0.03)


def test_a_moving_window_by_hand() -> None:
    returns = np.array([0.01, 0.03, 0.01, 0.01])
    spread = math.sqrt(2) * 0.01
    assert rolling_volatility(returns, 2)[1:3] == pytest.approx([spread * math.sqrt(252)] * 2)
    assert rolling_sharpe(returns, 0.01, window=2)[1] == pytest.approx(0.01 / spread * math.sqrt(252))
    assert np.isnan(rolling_sharpe(returns, window=2)[3])  # two equal returns
    assert rolling_beta(returns, returns / 2, window=3)[2:] == pytest.approx([2, 2])
    assert np.isnan(rolling_beta(returns, np.full(4, 0.01), window=2)).all()
    assert np.isnan(rolling_volatility(returns, 5)).all()


def test_what_is_undefined_is_none() -> None:
    for equity in ([100.0], [100.0, 100.0], [100.0] * 50, [100.0, 0.0, 0.0, 0.0, 10.0]):
        figures = summary(curve(equity), [], [], NO_COSTS)
        assert figures["skew"] is figures["kurtosis"] is figures["omega"] is figures["tail_ratio"] is None


def test_every_figure_has_a_label_a_kind_and_a_direction() -> None:
    figures = goog_sma().metrics
    assert list(figures) == list(FIGURES)
    assert sum(map(len, GROUPS.values())) == len(FIGURES)
    less = {name for name, figure in FIGURES.items() if figure.better == "less"}
    assert {"volatility", "ulcer_index", "costs", "turnover", "max_drawdown_days", "tracking_error"} <= less
    assert not {"sharpe", "max_drawdown", "value_at_risk", "average_loss", "worst_day", "alpha"} & less


def test_short_runs_and_open_positions_carry_a_caution() -> None:
    assert cautions(252, {"trades": 30, "open_positions": 0}) == []
    texts = cautions(251, {"trades": 29, "open_positions": 2, "open_pnl": -1234.5})
    assert [text.split(" are ")[0] for text in texts] == ["251 sessions", "29 closed trades", "2 positions"]
    assert "-1,234.50" in texts[2]
    assert cautions(300, {"trades": 1})[0].startswith("1 closed trade is few")
    assert cautions(0, {}) == []
