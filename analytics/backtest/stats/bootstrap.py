"""Monte Carlo: how different the figures could have been, by resampling returns or trades in blocks.

Blocks keep the dependence between neighbours, such as calm and turbulent times. Blocks of random length, with the end
joined to the beginning: Politis and Romano, "The Stationary Bootstrap", Journal of the American Statistical
Association 89 (428), 1994.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stockstream.analytics.backtest.model import Result
from stockstream.analytics.backtest.stats.series import NOISE, YEAR, Array
from stockstream.analytics.backtest.stats.series import returns as returns_of

SAMPLES = 1000
"""Number of resampled histories."""
LEVEL = 0.9
"""Share of the resampled histories inside an interval: between the 5 % and the 95 % quantile."""
SEED = 1
CELLS = 1_000_000
"""Maximum number of resampled values in memory at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure of a run, and how it is distributed over resampled histories."""

    observed: float | None
    low: float
    median: float
    high: float
    """Quantiles (1 - `LEVEL`) ÷ 2, one half, and (1 + `LEVEL`) ÷ 2."""


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """Intervals per figure, and what they come from."""

    intervals: dict[str, Interval]
    loss: float
    """Share of the resampled histories that end with a loss."""
    samples: int
    block: float
    """Mean number of values per block."""
    seed: int


def monte_carlo(
    result: Result, samples: int = SAMPLES, *, block: float | None = None, seed: int = SEED
) -> dict[str, MonteCarlo]:
    """Return the intervals over resampled `returns` and `trades` of a run, as far as there are enough of them.

    Args:
        result: the run.
        samples: number of resampled histories.
        block: mean number of sessions or trades per block; by default as in `resampled_returns`, `resampled_trades`.
        seed: seed of the random numbers: the same seed has the same result.
    """
    curve = result.curve
    if not curve.dates:
        return {}
    pnl = np.array([trade.pnl for trade in result.closed_positions], dtype=np.float64)
    parts = {
        "returns": resampled_returns(returns_of(curve.equity), samples, block=block, seed=seed),
        "trades": resampled_trades(pnl, float(curve.equity[0]), samples, block=block, seed=seed),
    }
    return {name: part for name, part in parts.items() if part is not None}


def resampled_returns(
    returns: Array, samples: int = SAMPLES, *, block: float | None = None, seed: int = SEED
) -> MonteCarlo | None:
    """Return intervals of total return, Sharpe ratio, volatility and deepest drawdown over resampled returns.

    The figures are those of `series`, without a risk-free rate.

    Args:
        returns: one per session.
        samples: number of resampled histories.
        block: mean number of sessions per block; by default the cube root of the number of returns, the order of
            growth that is the best for a variance, and at least five (a week).
        seed: seed of the random numbers: the same seed has the same result.

    Returns:
        None with fewer than ten returns, or a return that is undefined or a total loss.
    """
    if len(returns) < 10 or not (returns > -1).all():
        return None

    def figures(parts: Array) -> dict[str, Array]:
        spread = parts.std(axis=1, ddof=1)
        wealth = np.cumprod(1 + parts, axis=1)
        peak = np.maximum(np.maximum.accumulate(wealth, axis=1), 1.0)
        return {
            "total_return": wealth[:, -1] - 1,
            "volatility": spread * math.sqrt(YEAR),
            "sharpe": parts.mean(axis=1) / np.where(spread > NOISE, spread, np.nan) * math.sqrt(YEAR),
            "max_drawdown": (wealth / peak - 1).min(axis=1).clip(max=0.0),
        }

    size = block or max(5.0, len(returns) ** (1 / 3))
    return _intervals(returns, figures, "total_return", samples, size, seed)


def resampled_trades(
    pnl: Array, capital: float, samples: int = SAMPLES, *, block: float | None = None, seed: int = SEED
) -> MonteCarlo | None:
    """Return intervals of profit, win rate, expectancy and deepest drawdown over resampled trades.

    The profits are added one after the other, in money; positions that are open at the same time count as if they
    followed each other. The drawdown is the deepest fall of capital plus profits below its peak, a fraction ≤ 0.

    Args:
        pnl: profit per closed trade in money, in the order of the exits.
        capital: the initial capital.
        samples: number of resampled histories.
        block: mean number of trades per block; by default the cube root of their number.
        seed: seed of the random numbers.

    Returns:
        None with fewer than ten trades.
    """
    if len(pnl) < 10:
        return None

    def figures(parts: Array) -> dict[str, Array]:
        wealth = capital + np.cumsum(parts, axis=1)
        peak = np.maximum(np.maximum.accumulate(wealth, axis=1), capital)
        return {
            "profit": wealth[:, -1] - capital,
            "expectancy": parts.mean(axis=1),
            "win_rate": (parts > 0).mean(axis=1),
            "max_drawdown": (wealth / peak - 1).min(axis=1).clip(max=0.0),
        }

    return _intervals(pnl, figures, "profit", samples, block or len(pnl) ** (1 / 3), seed)


def _intervals(
    values: Array, figures: Callable[[Array], dict[str, Array]], result: str, samples: int, block: float, seed: int
) -> MonteCarlo:
    observed = figures(values[np.newaxis, :])
    parts = [figures(values[rows]) for rows in block_indices(len(values), samples, block, seed)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in observed}
    tails = [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2]
    intervals = {}
    for name, column in columns.items():
        if np.isfinite(column).any():
            low, median, high = np.nanquantile(column, tails).tolist()
            value = float(observed[name][0])
            intervals[name] = Interval(value if math.isfinite(value) else None, low, median, high)
    return MonteCarlo(intervals, float((columns[result] < 0).mean()), samples, block, seed)


def block_indices(length: int, samples: int, block: float, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of resampled values, one row per sample, at most `CELLS` at once.

    Each value follows the one before it, or, with the probability 1 ÷ `block`, starts a block at a random position.
    """
    random = np.random.default_rng(seed)
    rows = max(1, CELLS // length)
    columns = np.arange(length)
    for first in range(0, samples, rows):
        shape = (min(rows, samples - first), length)
        starts = random.random(shape) < 1 / block
        starts[:, 0] = True
        begins = random.integers(0, length, shape)
        latest = np.maximum.accumulate(np.where(starts, columns, 0), axis=1)
        yield (np.take_along_axis(begins, latest, axis=1) + columns - latest) % length
