"""How much of the best of many trials is luck: the deflated Sharpe ratio.

Bailey and López de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting and
Non-Normality", Journal of Portfolio Management 40 (5), 2014. Sharpe ratios are of one session here unless said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, variance

from stockstream.analytics.backtest.stats.series import YEAR, Array, defined, sharpe

EULER = 0.5772156649015329
NORMAL = NormalDist()


@defined
def deflated_sharpe(best: Array, sharpes: Sequence[float | None]) -> float | None:
    """Give the probability that the best trial's true Sharpe ratio is above what luck gives the best of so many.

    Of trials that have no skill it is above 0.95 in less than one search in twenty.

    Args:
        best: the returns of the trial that was picked, one a session.
        sharpes: of every trial, that one too, a year's, as `metrics.summary` gives them; None, of a trial that
            has none, is no trial.

    Returns:
        0 to 1; None with fewer than two trials or if `best` has no volatility.
    """
    trials = [ratio / math.sqrt(YEAR) for ratio in sharpes if ratio is not None]
    picked = sharpe(best)
    if picked is None or len(trials) < 2:
        return None
    scores = (best - best.mean()) / best.std()
    luck = expected_maximum(variance(trials), len(trials))
    skew, kurtosis = float((scores**3).mean()), float((scores**4).mean())
    return probabilistic_sharpe(picked / math.sqrt(YEAR), luck, len(best), skew, kurtosis)


def expected_maximum(variance: float, trials: int) -> float:
    """Give the Sharpe ratio to expect of the best of so many (two or more) independent trials without skill.

    Args:
        variance: of the trials' Sharpe ratios.
        trials: how many.
    """
    quantile = NORMAL.inv_cdf
    best = (1 - EULER) * quantile(1 - 1 / trials) + EULER * quantile(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * best


def probabilistic_sharpe(sharpe: float, benchmark: float, sessions: int, skew: float, kurtosis: float) -> float:
    """Give the probability that the true Sharpe ratio is above `benchmark`, given the one estimated.

    Args:
        sharpe: as estimated.
        benchmark: to be above of.
        sessions: how many returns it was estimated of.
        skew: of the returns; 0 if normal.
        kurtosis: of the returns; 3 if normal.
    """
    spread = math.sqrt(max(0.0, 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2))
    return NORMAL.cdf((sharpe - benchmark) * math.sqrt(sessions - 1) / spread)
