"""A parameter search: one run per combination of parameters, on all cores. The lake is queried once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stockstream.analytics.backtest.engine import Account, run
from stockstream.analytics.backtest.feed import SOURCE, Feed, open_feed
from stockstream.analytics.backtest.model import Setup, Strategy
from stockstream.analytics.backtest.runs.load import find_strategy, make_strategy
from stockstream.analytics.backtest.runs.single import lake_connection, metrics_of
from stockstream.analytics.backtest.stats import LESS_IS_BETTER, deflated_sharpe, series
from stockstream.analytics.session import AsOf
from stockstream.sql.errors import ArgumentError, UsageError, did_you_mean

RUNS_PER_PASS = 16
"""Runs per pass over the bars: they share the conversion of columns to lists."""
LUCK = 0.95
"""With a deflated Sharpe ratio below this, the best trial may be the luck of that many trials."""

Factory = str | type[Strategy]
"""A strategy: its class, or a name or file for `load.find_strategy`."""
Params = Mapping[str, Any]
"""The arguments of a strategy's `__init__`, by name."""


@dataclass(frozen=True)
class Trial:
    """One run of a search."""

    params: Params
    metrics: Mapping[str, float | None]
    """The metrics of `stats.summary`."""
    equity: NDArray[np.float64]
    """Equity in money, one value per session."""
    error: str | None
    """Why the run ended early; None if it did not."""


@dataclass(frozen=True)
class Search:
    """The result of a search; `trials` are in the order of the combinations."""

    trials: list[Trial]
    rank: str
    """The metric that decides which trial is the best."""

    @property
    def best(self) -> Trial | None:
        """The trial with the best metric `rank`; None if no trial has it."""
        first = next(iter(self.ranked()), None)
        return first if first is not None and self._score(first) is not None else None

    @property
    def deflated_sharpe(self) -> float | None:
        """The probability that the best trial is more than luck, see `stats.deflated_sharpe`; None if undefined."""
        if self.best is None:
            return None
        return deflated_sharpe(
            series.returns(self.best.equity), [trial.metrics.get("sharpe") for trial in self.trials if trial.metrics]
        )

    def ranked(self) -> list[Trial]:
        """Return the trials, the best first; those without the metric `rank` come last.

        The best has the highest value, or the lowest of a metric in `stats.LESS_IS_BETTER`.
        """
        return sorted(self.trials, key=lambda trial: -np.inf if (v := self._score(trial)) is None else v, reverse=True)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per trial: its parameters, its metrics and its error, if any.

        A parameter that is called like a metric has the prefix `param_`.
        """
        metrics = next((trial.metrics for trial in self.trials if trial.metrics), {})
        return [
            {
                **params_beside(trial.params, metrics),
                **(trial.metrics or dict.fromkeys(metrics)),
                "error": trial.error or "",
            }
            for trial in self.trials
        ]

    def _score(self, trial: Trial) -> float | None:
        """Return the metric `rank` with the sign by which more is better; None if the trial failed or lacks it."""
        value = trial.metrics.get(self.rank) if trial.error is None else None
        return -value if value is not None and self.rank in LESS_IS_BETTER else value


def params_beside(params: Params, metrics: Iterable[str]) -> dict[str, Any]:
    """Return parameters with names that no metric, and not the column `error`, has."""
    names = {*metrics, "error"}
    return {f"param_{name}" if name in names else name: value for name, value in params.items()}


def search(
    strategy: Factory,
    combinations: Sequence[Params],
    lake: str | Path | None = None,
    *,
    rank: str = "sharpe",
    jobs: int | None = None,
    src: str = SOURCE,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    on_runs: Callable[[int], None] = lambda count: None,
    **settings: Any,
) -> Search:
    """Run a strategy once per combination of parameters.

    A combination that the strategy rejects is a trial with the reason as its error.

    Args:
        strategy: the class, a shipped strategy's name, or `file.py:Class`.
        combinations: the parameters of each run.
        lake: the lake's URI; by default the one of the settings ($STOCKSTREAM_LAKE).
        rank: the metric that decides which trial is the best.
        jobs: number of processes; by default one per core.
        src: a view or table with bars as traded.
        as_of: an earlier generation of the lake: its number or a time.
        sql_path: folders with further indicators.
        on_runs: called with the number of runs completed since the last call.
        settings: the fields of `Setup`: symbols, start, end, initial_capital, …

    Raises:
        UsageError: a setting is invalid, there are no bars, or the strategy rejects every combination.
        LakeError: the lake cannot be read.
    """
    setup = Setup.of(**settings)
    rejected = rejections(strategy, combinations)
    possible = [params for params, reason in zip(combinations, rejected, strict=True) if reason is None]
    with stored_feed(strategy, possible, lake, setup, src=src, as_of=as_of, sql_path=sql_path) as feed:
        parts = [possible[at : at + RUNS_PER_PASS] for at in range(0, len(possible), RUNS_PER_PASS)]
        results: dict[int, list[Trial]] = {}
        for number, trials in parallel(run_trials, [(strategy, part, feed, setup) for part in parts], jobs):
            if rank not in (metrics := trials[0].metrics) and metrics:
                raise UsageError(f"no metric {rank}: there are {', '.join(metrics)}{did_you_mean(rank, metrics)}")
            results[number] = trials
            on_runs(len(trials))
    on_runs(len(combinations) - len(possible))
    completed = iter([trial for number in sorted(results) for trial in results[number]])
    return Search(
        [
            next(completed) if reason is None else Trial(params, {}, np.zeros(0), reason)
            for params, reason in zip(combinations, rejected, strict=True)
        ],
        rank,
    )


def rejections(strategy: Factory, combinations: Sequence[Params]) -> list[str | None]:
    """Return per combination why the strategy rejects it, or None.

    Raises:
        UsageError: it rejects all of them.
    """
    reasons: list[str | None] = []
    chosen = _class(strategy)
    for params in combinations:
        try:
            make_strategy(chosen, params)
            reasons.append(None)
        except UsageError as error:
            reasons.append(str(error))
    if reasons and None not in reasons:
        raise UsageError(str(reasons[0]))
    return reasons


@contextmanager
def stored_feed(
    strategy: Factory,
    combinations: Sequence[Params],
    lake: str | Path | None,
    setup: Setup,
    *,
    src: str,
    as_of: AsOf | None,
    sql_path: Sequence[str | Path],
) -> Iterator[Feed]:
    """Yield a feed with the columns that all combinations need, stored in a file that all processes read.

    Raises:
        UsageError: the strategy rejects a combination, the combinations differ in their query, or as in `open_feed`.
    """
    strategies = [make_strategy(_class(strategy), params) for params in combinations]
    query = strategies[0].query
    if len({item.query for item in strategies}) != 1:
        raise UsageError(f"{query}: the combinations have different queries; a search needs the same for all")
    columns = list(dict.fromkeys(column for item in strategies for column in item.columns))
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        with lake_connection(None, lake, as_of) as con:
            feed = open_feed(con, setup, columns, query, src=src, sql_path=sql_path)
            feed = feed.save(Path(folder) / "bars.arrow")
        yield feed


def parallel(work: Callable[..., Any], items: Sequence[tuple[Any, ...]], jobs: int | None) -> Iterator[tuple[int, Any]]:
    """Call `work` with the arguments in each item, in processes; yield (item number, result) as they complete."""
    jobs = min(jobs or os.cpu_count() or 1, len(items))
    if jobs == 1:
        yield from ((number, work(*item)) for number, item in enumerate(items))
        return
    # Spawn, because a fork does not copy the threads that DuckDB has started.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        with _without_interrupts():  # the first submission starts the processes
            futures = {pool.submit(work, *item): number for number, item in enumerate(items)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:  # an error, or a signal: the other processes must not be waited for
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, which a terminal sends to all: this process ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_trials(strategy: Factory, combinations: Sequence[Params], feed: Feed, setup: Setup) -> list[Trial]:
    """Run several combinations in one pass over the feed; return their trials in the same order."""
    strategies = [make_strategy(_class(strategy), params) for params in combinations]
    accounts = run(strategies, feed, setup)
    return [make_trial(account, params, setup) for account, params in zip(accounts, combinations, strict=True)]


def make_trial(account: Account, params: Params, setup: Setup) -> Trial:
    """Return the trial of one account."""
    curve = account.curve
    return Trial(params, metrics_of(account, curve, setup), curve.equity, str(account.error) if account.error else None)


def _class(strategy: Factory) -> type[Strategy]:
    if isinstance(strategy, str):
        return find_strategy(strategy)
    if not (isinstance(strategy, type) and issubclass(strategy, Strategy)):
        raise ArgumentError(f"strategy: {strategy!r} is no strategy: name a subclass of Strategy, not an instance")
    return strategy
