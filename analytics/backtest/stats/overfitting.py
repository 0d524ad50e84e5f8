"""The deflated Sharpe ratio: how likely it is that the best of many trials is more than luck.

Bailey and López de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting and
Non-Normality", Journal of Portfolio Management 40 (5), 2014. Sharpe ratios are per session unless stated otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, variance

from stockstream.analytics.backtest.stats.series import YEAR, Array, none_if_undefined, sharpe

EULER = 0.5772156649015329
"""The Euler–Mascheroni constant."""
NORMAL = NormalDist()


@none_if_undefined
def deflated_sharpe(best: Array, sharpes: Sequence[float | None]) -> float | None:
    """Return the probability that the best trial's true Sharpe ratio exceeds the expected maximum under pure luck.

    If no trial has skill, it is above 0.95 in fewer than one search in twenty.

    Args:
        best: the returns of the best trial, one per session; its Sharpe ratio is computed without a risk-free rate.
        sharpes: annual Sharpe ratio of every trial including the best, as `metrics.summary` returns it; a trial with
            None is not counted.

    Returns:
        0 to 1; None with fewer than two trials or if `best` has no volatility.
    """
    trials = [ratio / math.sqrt(YEAR) for ratio in sharpes if ratio is not None]
    estimate = sharpe(best)
    if estimate is None or len(trials) < 2:
        return None
    scores = (best - best.mean()) / best.std()
    luck = expected_maximum(variance(trials), len(trials))
    skew, kurtosis = float((scores**3).mean()), float((scores**4).mean())
    return probabilistic_sharpe(estimate / math.sqrt(YEAR), luck, len(best), skew, kurtosis)


def expected_maximum(variance: float, trials: int) -> float:
    """Return the expected maximum Sharpe ratio of independent trials without skill.

    Args:
        variance: variance of the trials' Sharpe ratios.
        trials: number of trials, two or more.
    """
    quantile = NORMAL.inv_cdf
    best = (1 - EULER) * quantile(1 - 1 / trials) + EULER * quantile(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * best


def probabilistic_sharpe(sharpe: float, benchmark: float, sessions: int, skew: float, kurtosis: float) -> float:
    """Return the probability that the true Sharpe ratio is above `benchmark`, given an estimate.

    Args:
        sharpe: the estimated Sharpe ratio.
        benchmark: the Sharpe ratio to exceed.
        sessions: number of returns behind the estimate.
        skew: skewness of the returns; 0 if normal.
        kurtosis: kurtosis of the returns; 3 if normal.
    """
    spread = math.sqrt(max(0.0, 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2))
    return NORMAL.cdf((sharpe - benchmark) * math.sqrt(sessions - 1) / spread)
