"""Target weights from past prices, by the optimisers of skfolio (the extra `portfolio`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stockstream.sql.errors import UsageError
from stockstream.sql.extras import require

METHODS = ("equal", "inverse_volatility", "min_variance", "max_sharpe", "risk_parity", "hierarchical_risk_parity")


def optimal_weights(
    prices: Mapping[str, Sequence[float]], method: str | Any = "min_variance", *, max_percent: float = 100
) -> dict[str, float]:
    """Return weights per symbol in per cent, 100 together, as `rebalance` takes them.

    The prices come from a column such as `history(adjusted_close, 253)`, whose returns are those of 252 sessions.

    Args:
        prices: past prices per symbol, the oldest first, all of the same sessions.
        method: one of `METHODS`, or any optimiser of skfolio, such as `MeanRisk(risk_measure=RiskMeasure.CVAR)`.
            `equal`: the same for all. `inverse_volatility`: in proportion to 1 ÷ volatility. `min_variance` and
            `max_sharpe`: Markowitz, Portfolio Selection (1952), without short positions. `risk_parity`: each
            contributes the same to the variance; Maillard, Roncalli and Teïletche (2010). `hierarchical_risk_parity`:
            Lopez de Prado (2016).
        max_percent: maximum weight of a symbol; not for an optimiser of your own, which has its own limits.

    Raises:
        UsageError: skfolio is not installed, the method or the prices are unusable, or there is no solution.
    """
    counts = {symbol: len(values) for symbol, values in prices.items()}
    if not counts or min(counts.values()) < 3 or len(set(counts.values())) > 1:
        raise UsageError(f"optimal_weights needs the same number of prices of each symbol, at least 3, not {counts}")
    if max_percent * len(counts) < 100:
        raise UsageError(f"max_percent {max_percent:g}: {len(counts)} symbols cannot have 100 per cent together")
    returns = _returns(prices)
    optimiser: Any = method
    if isinstance(method, str):
        optimiser = _optimiser(method, max_percent / 100)
        returns /= returns.std() or 1.0  # the weights stay the same, but solvers are inexact with variances of 1e-4
    try:
        weights = optimiser.fit(returns).weights_
    except Exception as error:
        raise UsageError(f"optimal_weights by {method}: {type(error).__name__}: {error}") from error
    return {symbol: 100 * float(weight) for symbol, weight in zip(prices, weights, strict=True)}


def _returns(prices: Mapping[str, Sequence[float]]) -> Any:
    """Return the returns per session and symbol, in the order of the symbols.

    Raises:
        UsageError: a price is not a positive number.
    """
    import numpy as np

    table = np.array([np.asarray(values, dtype=np.float64) for values in prices.values()]).T
    if unusable := [symbol for symbol, column in zip(prices, table.T, strict=True) if not np.all(column > 0)]:
        raise UsageError(f"optimal_weights: {', '.join(unusable)} has a price that is unknown or not above 0")
    return table[1:] / table[:-1] - 1


def _optimiser(method: str, max_weight: float) -> Any:
    """Return the optimiser of a method.

    Raises:
        UsageError: there is no such method, or skfolio is not installed.
    """
    require("skfolio", by="optimal_weights")
    from skfolio.optimization import (
        EqualWeighted,
        HierarchicalRiskParity,
        InverseVolatility,
        MeanRisk,
        ObjectiveFunction,
        RiskBudgeting,
    )

    makers: dict[str, Callable[[], Any]] = {
        "equal": EqualWeighted,
        "inverse_volatility": InverseVolatility,
        "min_variance": lambda: MeanRisk(max_weights=max_weight),
        "max_sharpe": lambda: MeanRisk(objective_function=ObjectiveFunction.MAXIMIZE_RATIO, max_weights=max_weight),
        "risk_parity": lambda: RiskBudgeting(max_weights=max_weight),
        "hierarchical_risk_parity": lambda: HierarchicalRiskParity(max_weights=max_weight),
    }
    if method not in makers:
        raise UsageError(f"no method {method}: there are {', '.join(METHODS)}")
    if method in ("equal", "inverse_volatility") and max_weight < 1:
        raise UsageError(f"max_percent has no effect on {method}")
    return makers[method]()
