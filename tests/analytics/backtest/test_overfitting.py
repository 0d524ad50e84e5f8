"""The deflated Sharpe ratio: the paper's example, and searches among strategies without skill."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stockstream.analytics.backtest.stats import (
    deflated_sharpe,
    expected_maximum,
    probabilistic_sharpe,
    series,
)


def test_the_deflated_sharpe_ratio_of_the_paper() -> None:
    """Bailey and López de Prado (2014): annual Sharpe ratio 2.5 of 250 days, 100 trials of variance 1/2, 1,250 days."""
    luck = expected_maximum(1 / 2 / 250, 100)
    assert luck == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(2.5 / math.sqrt(250), luck, 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)


def test_the_best_of_many_strategies_without_skill_seldom_passes() -> None:
    rng = np.random.default_rng(1)
    searches = [rng.normal(0, 0.01, (50, 500)) for _ in range(200)]

    def pass_rates(skill: float) -> tuple[float, float]:
        """Return two fractions of searches whose best trial passes: deflated, and as if it were the only trial."""
        deflated = naive = 0
        for trials in searches:
            trials = trials + skill * (np.arange(50) == 7)[:, None]
            sharpes = [series.sharpe(returns) for returns in trials]
            best = int(np.argmax(sharpes))
            deflated += deflated_sharpe(trials[best], sharpes) > 0.95
            naive += probabilistic_sharpe(sharpes[best] / math.sqrt(252), 0, 500, 0, 3) > 0.95
        return deflated / len(searches), naive / len(searches)

    deflated, naive = pass_rates(0)
    assert deflated < 0.05
    assert naive > 0.9
    assert pass_rates(0.0035)[0] > 0.9  # one of them has an annual Sharpe ratio of 5.6


def test_too_few_trials_are_not_deflated() -> None:
    returns = np.array([0.01, -0.01, 0.02])
    assert deflated_sharpe(returns, [1.0]) is None
    assert deflated_sharpe(returns, [1.0, None]) is None
    assert deflated_sharpe(np.zeros(3), [1.0, 2.0]) is None
    assert deflated_sharpe(returns, [1.0, None, 2.0]) == deflated_sharpe(returns, [1.0, 2.0])
