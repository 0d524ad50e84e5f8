"""Monte Carlo: intervals of resampled returns and trades."""

from __future__ import annotations

import numpy as np
import pytest

from stockstream.analytics.backtest.stats import bootstrap, monte_carlo, resampled_returns, resampled_trades, series
from tests.analytics.backtest._made_up import goog_sma


def test_the_same_seed_has_the_same_intervals_and_another_one_has_others() -> None:
    returns = np.random.default_rng(3).normal(0.0005, 0.01, 500)
    one = resampled_returns(returns, 200, seed=5)
    assert one == resampled_returns(returns, 200, seed=5)
    assert one is not None
    assert one.intervals != resampled_returns(returns, 200, seed=6).intervals
    assert (one.samples, one.block, one.seed) == (200, pytest.approx(500 ** (1 / 3)), 5)


def test_the_samples_do_not_depend_on_how_many_are_in_memory_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    indices = np.vstack(list(bootstrap.block_indices(50, 40, 5, 1)))
    assert indices.shape == (40, 50)
    monkeypatch.setattr(bootstrap, "CELLS", 500)
    parts = list(bootstrap.block_indices(50, 40, 5, 1))
    assert [len(part) for part in parts] == [10] * 4


def test_blocks_are_neighbours_of_the_mean_length() -> None:
    indices = np.vstack(list(bootstrap.block_indices(1000, 200, 8, 2)))
    follows = np.diff(indices, axis=1) % 1000 == 1
    assert follows.mean() == pytest.approx(1 - 1 / 8, abs=0.005)
    assert (np.bincount(indices.ravel(), minlength=1000) > 0).all()
    assert 0 <= indices.min() <= indices.max() < 1000


def test_a_block_as_long_as_the_history_only_rotates_it() -> None:
    returns = np.linspace(-0.01, 0.02, 60)
    result = resampled_returns(returns, 50, block=1e12)
    assert result is not None
    total = result.intervals["total_return"]
    assert [total.low, total.median, total.high] == pytest.approx([np.prod(1 + returns) - 1] * 3)
    assert total.observed == pytest.approx(total.median)


def test_the_interval_of_the_sharpe_ratio_covers_the_truth_as_often_as_it_says() -> None:
    """90 % of such intervals contain the true ratio; of 100 histories at least 78 do, or it is wrong."""
    random = np.random.default_rng(11)
    truth = 0.0005 / 0.01 * np.sqrt(252)
    covered = 0
    for number in range(100):
        part = resampled_returns(random.normal(0.0005, 0.01, 750), 200, block=1, seed=number)
        assert part is not None
        covered += part.intervals["sharpe"].low <= truth <= part.intervals["sharpe"].high
    assert 78 <= covered <= 99


def test_trades() -> None:
    pnl = np.array([100.0, -50] * 10)
    result = resampled_trades(pnl, 1000, 400)
    assert result is not None
    intervals = result.intervals
    assert (intervals["profit"].observed, intervals["expectancy"].observed) == (500, 25)
    assert intervals["win_rate"].observed == 0.5
    assert intervals["profit"].low < 500 < intervals["profit"].high
    assert intervals["max_drawdown"].observed == pytest.approx(-50 / 1100)
    assert 0 <= result.loss < 0.5
    certain = resampled_trades(np.full(12, -10.0), 1000)
    assert certain is not None
    assert certain.loss == 1
    assert certain.intervals["max_drawdown"].high == pytest.approx(-0.12)


def test_too_few_or_undefined_values_have_none() -> None:
    assert resampled_returns(np.full(9, 0.01)) is None
    assert resampled_returns(np.array([0.01] * 20 + [-1.0])) is None
    assert resampled_returns(np.array([0.01] * 20 + [np.nan])) is None
    assert resampled_trades(np.full(9, 1.0), 1000) is None
    constant = resampled_returns(np.full(20, 0.01))
    assert constant is not None
    assert "sharpe" not in constant.intervals


def test_of_a_result() -> None:
    result = goog_sma()
    parts = monte_carlo(result, 100, seed=4)
    assert parts["returns"] == resampled_returns(series.returns(result.curve.equity), 100, seed=4)
    pnl = np.array([trade.pnl for trade in result.closed_positions])
    assert parts["trades"] == resampled_trades(pnl, 100_000, 100, seed=4)
    assert parts["returns"].intervals["total_return"].observed == pytest.approx(result.metrics["total_return"])
    assert parts["returns"].intervals["max_drawdown"].observed == pytest.approx(result.metrics["max_drawdown"])
    assert parts["trades"].intervals["win_rate"].observed == result.metrics["win_rate"]
