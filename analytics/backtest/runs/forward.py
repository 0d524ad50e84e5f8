"""Walk-forward analysis: choose parameters on one range of sessions, test them on the next, window by window.

Source: R. Pardo, The Evaluation and Optimization of Trading Strategies (2008).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stockstream.analytics.backtest.feed import SOURCE, Feed
from stockstream.analytics.backtest.model import Setup
from stockstream.analytics.backtest.runs.grid import (
    Factory,
    Search,
    Trial,
    param_columns,
    rejections,
    run_trials,
    stored_feed,
)
from stockstream.analytics.backtest.runs.parameters import plain_params
from stockstream.analytics.backtest.runs.processes import parallel
from stockstream.analytics.backtest.runs.ranking import Constraint, Objective, Params, Ranking
from stockstream.analytics.backtest.stats import FIGURES, series
from stockstream.analytics.session import AsOf
from stockstream.sql.errors import UsageError


@dataclass(frozen=True)
class Window:
    """The training and the test sessions of one step; the days are inclusive."""

    train_from: date
    train_to: date
    test_from: date
    test_to: date


@dataclass(frozen=True)
class Step:
    """The best trial on the training sessions of a window, and the trial of its parameters on the test sessions."""

    window: Window
    trained: Trial
    tested: Trial


@dataclass(frozen=True)
class Walk:
    """The result of a walk-forward analysis. Each test starts with the initial capital; the returns are chained."""

    steps: list[Step]
    rank: Objective
    dates: list[date]
    """The test sessions, and the one before them. A test that failed has only the sessions up to its error."""

    @property
    def returns(self) -> NDArray[np.float64]:
        """The returns of all test sessions, in order."""
        return np.concatenate([series.returns(step.tested.equity) for step in self.steps])

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per step: days, `param_…`, the figure of the training (`trained_…`), and those of the test."""
        ranking = Ranking(self.rank)
        return [
            {**asdict(step.window), **param_columns(step.trained.params)}
            | {f"trained_{ranking.name}": ranking.value(step.trained.metrics)}
            | ({} if ranking.is_figure else {ranking.name: ranking.value(step.tested.metrics)})
            | {**dict.fromkeys(FIGURES), **step.tested.metrics}
            | {"error": step.tested.error or ""}
            for step in self.steps
        ]

    @property
    def equity(self) -> NDArray[np.float64]:
        """The chained equity, 1 at the start: one value per date of `dates`."""
        return np.concatenate([[1.0], np.cumprod(1 + self.returns)])

    @property
    def metrics(self) -> dict[str, float | None]:
        """The metrics of the chained returns, defined as in `stats.series`, with a risk-free rate of zero."""
        returns = self.returns
        equity = self.equity
        deepest = series.max_drawdown(equity)
        return {
            "total_return": series.total_return(equity),
            "annual_return": series.annual_return(returns),
            "volatility": series.volatility(returns),
            "sharpe": series.sharpe(returns),
            "sortino": series.sortino(returns),
            "max_drawdown": deepest,
            "calmar": series.calmar(returns, deepest),
        }


def walk_forward(
    strategy: Factory,
    combinations: Sequence[Params],
    train: int,
    test: int,
    lake: str | Path | None = None,
    *,
    rank: Objective = "sharpe",
    where: Constraint | None = None,
    jobs: int | None = None,
    src: str = SOURCE,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    on_windows: Callable[[int, int], None] = lambda done, total: None,
    **settings: Any,
) -> Walk:
    """Choose the best of `combinations` on `train` sessions, and test it on the next `test` sessions.

    Each window starts `test` sessions after the one before; the last window may have fewer test sessions. Positions are
    closed at the end of the training and of the test; indicators also use the bars before. The other arguments are
    those of `search`; `on_windows` is called with the number of windows completed, and their total.

    Raises:
        UsageError: there are too few sessions, no combination has the metric in a window, or as in `search`.
    """
    setup = Setup.of(**{**settings, "at_end": "close"})
    Ranking(rank)  # raises its error before the first run
    combinations = [plain_params(params) for params in combinations]
    reasons = rejections(strategy, combinations, where)
    if reasons and None not in reasons:
        raise UsageError(str(reasons[0]))
    combinations = [params for params, reason in zip(combinations, reasons, strict=True) if reason is None]
    with stored_feed(strategy, combinations, lake, setup, src=src, as_of=as_of, sql_path=sql_path) as feed:
        days = [day for block in feed.blocks() for day in block.dates]
        windows = list(_windows(days, train, test))
        if not windows:
            raise UsageError(f"--walk-forward {train}:{test} needs {train + test} sessions, and there are {len(days)}")
        steps: dict[int, Step] = {}
        items = [(strategy, combinations, feed, setup, window, rank) for window in windows]
        for number, step in parallel(_step, items, jobs):
            steps[number] = step
            on_windows(len(steps), len(windows))
    ordered = [steps[number] for number in sorted(steps)]
    return Walk(ordered, rank, [ordered[0].window.train_to, *_tested_days(ordered, days)])


def _tested_days(steps: Sequence[Step], days: Sequence[date]) -> Iterator[date]:
    for step in steps:
        first = bisect_left(days, step.window.test_from)
        yield from days[first : first + len(step.tested.equity) - 1]


def _windows(days: Sequence[date], train: int, test: int) -> Iterator[Window]:
    for first in range(0, len(days) - train - 1, test):
        test_days = days[first + train : first + train + test]
        yield Window(days[first], days[first + train - 1], test_days[0], test_days[-1])


def _step(
    strategy: Factory, combinations: Sequence[Params], feed: Feed, setup: Setup, window: Window, rank: Objective
) -> Step:
    training = setup.model_copy(update={"start": window.train_from, "end": window.train_to})
    best = Search(run_trials(strategy, combinations, feed, training), rank).best
    if best is None:
        raise UsageError(
            f"no combination has a {rank} from {window.train_from} to {window.train_to}: use more training sessions"
        )
    # The run starts with the last training session, so that the first decision trades in the first test session.
    testing = setup.model_copy(update={"start": window.train_to, "end": window.test_to})
    (tested,) = run_trials(strategy, [best.params], feed, testing)
    return Step(window, best, tested)
