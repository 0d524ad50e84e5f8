"""Walk forward: parameters are picked on some sessions and tried on those that follow, window after window.

R. Pardo, The Evaluation and Optimization of Trading Strategies (2008).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stockstream.analytics.backtest.feed.adjusted import SOURCE
from stockstream.analytics.backtest.feed.blocks import Feed
from stockstream.analytics.backtest.model.setup import Setup
from stockstream.analytics.backtest.runs.grid import Factory, Params, Search, Trial, spread, stored, trials_of
from stockstream.analytics.backtest.stats import series as of
from stockstream.analytics.session import AsOf
from stockstream.sql.errors import UsageError


@dataclass(frozen=True)
class Window:
    """The sessions of one step."""

    train_from: date
    train_to: date
    test_from: date
    test_to: date


@dataclass(frozen=True)
class Step:
    """The best parameters of a window's first part, and how they did in the second."""

    window: Window
    trained: Trial
    tested: Trial


@dataclass(frozen=True)
class Walk:
    """All steps, and their tests as one: each starts with the initial capital, and their returns are chained."""

    steps: list[Step]
    rank: str

    @property
    def returns(self) -> NDArray[np.float64]:
        """The returns of all sessions that were tested, in order."""
        return np.concatenate([of.returns(step.tested.equity) for step in self.steps])

    def rows(self) -> list[dict[str, Any]]:
        """Give a row a step: its days, its parameters, and the metrics of the test beside the training's."""
        return [
            {**asdict(step.window), **step.trained.params}
            | {f"trained_{self.rank}": step.trained.metrics.get(self.rank)}
            | dict(step.tested.metrics)
            for step in self.steps
        ]

    @property
    def metrics(self) -> dict[str, float | None]:
        """What the chained returns come to."""
        found = self.returns
        equity = np.concatenate([[1.0], np.cumprod(1 + found)])
        deepest = of.max_drawdown(equity)
        return {
            "total_return": of.total_return(equity),
            "annual_return": of.annual_return(found),
            "volatility": of.volatility(found),
            "sharpe": of.sharpe(found),
            "sortino": of.sortino(found),
            "max_drawdown": deepest,
            "calmar": of.calmar(found, deepest),
        }


def walk_forward(
    strategy: Factory,
    combinations: Sequence[Params],
    train: int,
    test: int,
    lake: str | None = None,
    *,
    rank: str = "sharpe",
    jobs: int | None = None,
    src: str = SOURCE,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    on_windows: Callable[[int, int], None] = lambda done, of: None,
    **given: Any,
) -> Walk:
    """Pick the best of `combinations` on `train` sessions, try it on the `test` sessions after them; go on by these.

    Positions are closed at the end of each part. Indicators know what was before it.

    Raises:
        UsageError: there are too few sessions, no combination has the metric in some window, or as `search` says.
    """
    setup = Setup.of(**{**given, "at_end": "close"})
    with stored(strategy, combinations, lake, setup, src=src, as_of=as_of, sql_path=sql_path) as feed:
        days = [day for block in feed.blocks() for day in block.dates]
        windows = list(_windows(days, train, test))
        if not windows:
            raise UsageError(f"--walk-forward {train}:{test} needs {train + test} sessions, and there are {len(days)}")
        found: dict[int, Step] = {}
        items = [(strategy, combinations, feed, setup, window, rank) for window in windows]
        for number, step in spread(_step, items, jobs):
            found[number] = step
            on_windows(len(found), len(windows))
    return Walk([found[number] for number in sorted(found)], rank)


def _windows(days: Sequence[date], train: int, test: int) -> Iterator[Window]:
    for first in range(0, len(days) - train - 1, test):
        tested = days[first + train : first + train + test]
        yield Window(days[first], days[first + train - 1], tested[0], tested[-1])


def _step(
    strategy: Factory, combinations: Sequence[Params], feed: Feed, setup: Setup, window: Window, rank: str
) -> Step:
    training = setup.model_copy(update={"start": window.train_from, "end": window.train_to})
    best = Search(trials_of(strategy, combinations, feed, training), rank).best
    if best is None:
        raise UsageError(f"no combination has a {rank} from {window.train_from} to {window.train_to}: train for longer")
    # The last session of the training is where the test's first decision is made, so that it can trade in its first.
    testing = setup.model_copy(update={"start": window.train_to, "end": window.test_to})
    (tested,) = trials_of(strategy, [best.params], feed, testing)
    return Step(window, best, tested)
