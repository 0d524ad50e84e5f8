"""Many runs of one strategy: every combination of parameters, over all cores, on one query."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stockstream.analytics.backtest.engine.loop import Account, run
from stockstream.analytics.backtest.feed.adjusted import SOURCE
from stockstream.analytics.backtest.feed.blocks import Feed
from stockstream.analytics.backtest.feed.source import open_feed
from stockstream.analytics.backtest.model.setup import Setup
from stockstream.analytics.backtest.model.strategy import Strategy
from stockstream.analytics.backtest.runs.load import find, make
from stockstream.analytics.backtest.runs.single import metrics_of, opened
from stockstream.analytics.backtest.stats.overfitting import deflated_sharpe
from stockstream.analytics.backtest.stats.series import returns
from stockstream.analytics.session import AsOf
from stockstream.sql.errors import UsageError, did_you_mean

TOGETHER = 16
"""Runs that read the bars in step, so that a column is made into a list once for all of them."""
LUCK = 0.95
"""A deflated Sharpe ratio below this is what the best of so many trials may have by chance."""

Factory = str | type[Strategy]
"""A strategy: its class, or its name or file as `load.find` takes it."""
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """One run of a search."""

    params: Params
    metrics: Mapping[str, float | None]
    equity: NDArray[np.float64]
    error: str | None


@dataclass(frozen=True)
class Search:
    """What a search found; `trials` are in the order of the combinations."""

    trials: list[Trial]
    rank: str
    """The metric by which the best is picked."""

    @property
    def best(self) -> Trial | None:
        """The trial with the highest metric; None where none has it."""
        known = [trial for trial in self.trials if self._of(trial) is not None]
        return max(known, key=lambda trial: self._of(trial) or 0.0, default=None)

    @property
    def deflated_sharpe(self) -> float | None:
        """The probability that the best one's Sharpe ratio is more than the luck of so many trials."""
        if self.best is None:
            return None
        return deflated_sharpe(returns(self.best.equity), [trial.metrics.get("sharpe") for trial in self.trials])

    def ranked(self) -> list[Trial]:
        """Give the trials, the best first, those without the metric last."""
        return sorted(self.trials, key=lambda trial: -np.inf if (v := self._of(trial)) is None else v, reverse=True)

    def rows(self) -> list[dict[str, Any]]:
        """Give a row a trial: its parameters, its metrics, its error."""
        return [{**trial.params, **trial.metrics, "error": trial.error or ""} for trial in self.trials]

    def _of(self, trial: Trial) -> float | None:
        return trial.metrics.get(self.rank) if trial.error is None else None


def search(
    strategy: Factory,
    combinations: Sequence[Params],
    lake: str | None = None,
    *,
    rank: str = "sharpe",
    jobs: int | None = None,
    src: str = SOURCE,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    on_runs: Callable[[int], None] = lambda count: None,
    **given: Any,
) -> Search:
    """Run a strategy once with each combination of parameters; `jobs` processes, as many as there are cores by default.

    Raises:
        UsageError: a setting is wrong, there are no bars, or a combination is refused by the strategy.
        LakeError: the lake cannot be read.
    """
    setup = Setup.of(**given)
    with stored(strategy, combinations, lake, setup, src=src, as_of=as_of, sql_path=sql_path) as feed:
        parts = [combinations[at : at + TOGETHER] for at in range(0, len(combinations), TOGETHER)]
        found: dict[int, list[Trial]] = {}
        for number, trials in spread(trials_of, [(strategy, part, feed, setup) for part in parts], jobs):
            if rank not in (known := trials[0].metrics) and known:
                raise UsageError(f"no metric {rank}: there are {', '.join(known)}{did_you_mean(rank, known)}")
            found[number] = trials
            on_runs(len(trials))
    return Search([trial for number in sorted(found) for trial in found[number]], rank)


@contextmanager
def stored(
    strategy: Factory,
    combinations: Sequence[Params],
    lake: str | None,
    setup: Setup,
    *,
    src: str,
    as_of: AsOf | None,
    sql_path: Sequence[str | Path],
) -> Iterator[Feed]:
    """Give the bars with the columns of all combinations, in a file that all processes read."""
    made = [make(_class(strategy), params) for params in combinations]
    if len({one.query for one in made}) != 1:
        raise UsageError(f"{made[0].query}: the combinations have queries of their own; a search has one for all")
    columns = list(dict.fromkeys(column for one in made for column in one.columns))
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        with opened(None, lake, as_of) as con:
            feed = open_feed(con, setup, columns, made[0].query, src=src, sql_path=sql_path)
            feed = feed.stored(Path(folder) / "bars.arrow")
        yield feed


def spread(work: Callable[..., Any], items: Sequence[tuple[Any, ...]], jobs: int | None) -> Iterator[tuple[int, Any]]:
    """Do some work for every item in processes; give the results with the items' numbers, as they come."""
    jobs = min(jobs or os.cpu_count() or 1, len(items))
    if jobs == 1:
        yield from ((number, work(*item)) for number, item in enumerate(items))
        return
    # Not forked: DuckDB has threads.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(work, *item): number for number, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()


def trials_of(strategy: Factory, combinations: Sequence[Params], feed: Feed, setup: Setup) -> list[Trial]:
    """Run some combinations in step."""
    made = [make(_class(strategy), params) for params in combinations]
    accounts = run(made, feed, setup)
    return [trial_of(account, params, setup) for account, params in zip(accounts, combinations, strict=True)]


def trial_of(account: Account, params: Params, setup: Setup) -> Trial:
    """Sum one run up."""
    curve = account.curve
    return Trial(params, metrics_of(account, curve, setup), curve.equity, str(account.error) if account.error else None)


def _class(strategy: Factory) -> type[Strategy]:
    return find(strategy) if isinstance(strategy, str) else strategy
