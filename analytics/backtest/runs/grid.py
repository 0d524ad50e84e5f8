"""A parameter search: one run per combination of parameters, on all cores. The lake is queried once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from stockstream.analytics.backtest.runs.parameters import plain_params
from stockstream.analytics.backtest.runs.processes import parallel
from stockstream.analytics.backtest.runs.ranking import OBJECTIVE, Constraint, Objective, Params, Ranking, unmet
from stockstream.analytics.backtest.runs.single import lake_connection, metrics_of
from stockstream.analytics.backtest.stats import deflated_sharpe, series
from stockstream.analytics.session import AsOf
from stockstream.sql.errors import ArgumentError, UsageError

RUNS_PER_PASS = 16
"""Runs per pass over the bars: they share the conversion of columns to lists."""
LUCK = 0.95
"""With a deflated Sharpe ratio below this, the best trial may be the luck of that many trials."""

Factory = str | type[Strategy]
"""A strategy: its class, or a name or file for `load.find_strategy`."""
PARAM = "param_"
"""Beginning of the columns of parameters in tables."""


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
    rank: Objective
    """The figure, expression or function that decides which trial is the best."""

    @property
    def best(self) -> Trial | None:
        """The trial with the best score; None if no trial has one."""
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
        """Return the trials, the best first; those without a score come last.

        `stats.FIGURES` knows of each figure whether more or less is better.
        """
        return sorted(self.trials, key=lambda trial: -np.inf if (v := self._score(trial)) is None else v, reverse=True)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per trial: its parameters, its figures, the `objective` if it is no figure, and its error.

        The columns of parameters start with `param_`, so that no figure has the name of one.
        """
        figures = next((trial.metrics for trial in self.trials if trial.metrics), {})
        ranking = Ranking(self.rank)
        return [
            {
                **param_columns(trial.params),
                **(trial.metrics or dict.fromkeys(figures)),
                **({} if ranking.is_figure else {OBJECTIVE: self._score(trial)}),
                "error": trial.error or "",
            }
            for trial in self.trials
        ]

    def _score(self, trial: Trial) -> float | None:
        """Return the trial's score, of which more is better; None if the trial failed or has none."""
        return Ranking(self.rank).score(trial.metrics) if trial.error is None else None


def param_columns(params: Params) -> dict[str, Any]:
    """Return parameters under the names of their columns: `param_` and the name, which no figure has."""
    return {f"{PARAM}{name}": value for name, value in params.items()}


def search(
    strategy: Factory,
    combinations: Sequence[Params],
    lake: str | Path | None = None,
    *,
    rank: Objective = "sharpe",
    where: Constraint | None = None,
    jobs: int | None = None,
    src: str = SOURCE,
    as_of: AsOf | None = None,
    sql_path: Sequence[str | Path] = (),
    on_runs: Callable[[int], None] = lambda count: None,
    **settings: Any,
) -> Search:
    """Run a strategy once per combination of parameters.

    A combination that the strategy rejects is a trial with the reason as its error. It works in a notebook, in a
    script without a main guard, and from standard input; `sample` tries fewer combinations.

    Args:
        strategy: the class, a shipped strategy's name, or `file.py:Class`.
        combinations: the parameters of each run.
        lake: the lake's URI; by default the one of the settings ($STOCKSTREAM_LAKE).
        rank: what decides which trial is the best: a figure of `stats.FIGURES`; an SQL expression of figures, such as
            `sharpe - 0.5 * ulcer_index`; or a function of the figures. Of these two, more is better.
        where: a condition on the parameters, as SQL (`fast < slow`) or a function of them; a combination that does
            not meet it is a trial with this as its error.
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
    setup, ranking = Setup.of(**settings), Ranking(rank)
    combinations = [plain_params(params) for params in combinations]
    rejected = rejections(strategy, combinations, where)
    if rejected and None not in rejected:
        raise UsageError(str(rejected[0]))
    possible = [params for params, reason in zip(combinations, rejected, strict=True) if reason is None]
    with stored_feed(strategy, possible, lake, setup, src=src, as_of=as_of, sql_path=sql_path) as feed:
        parts = [possible[at : at + RUNS_PER_PASS] for at in range(0, len(possible), RUNS_PER_PASS)]
        results: dict[int, list[Trial]] = {}
        for number, trials in parallel(run_trials, [(strategy, part, feed, setup) for part in parts], jobs):
            results[number] = trials
            on_runs(len(trials))
    on_runs(len(combinations) - len(possible))
    completed = iter([trial for number in sorted(results) for trial in results[number]])
    trials = [
        next(completed) if reason is None else Trial(params, {}, np.zeros(0), reason)
        for params, reason in zip(combinations, rejected, strict=True)
    ]
    return Search(trials, ranking.objective)


def rejections(strategy: Factory, combinations: Sequence[Params], where: Constraint | None = None) -> list[str | None]:
    """Return per combination why the constraint or the strategy rejects it, or None.

    Raises:
        UsageError: the constraint is no valid SQL, or names a parameter that there is not.
    """
    reasons: list[str | None] = [None] * len(combinations) if where is None else unmet(where, combinations)
    chosen = strategy_class(strategy)
    for number, params in enumerate(combinations):
        if reasons[number] is None:
            try:
                make_strategy(chosen, params)
            except UsageError as error:
                reasons[number] = str(error)
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
    strategies = [make_strategy(strategy_class(strategy), params) for params in combinations]
    query = strategies[0].query
    if len({item.query for item in strategies}) != 1:
        raise UsageError(f"{query}: the combinations have different queries; a search needs the same for all")
    columns = list(dict.fromkeys(column for item in strategies for column in item.columns))
    with tempfile.TemporaryDirectory(prefix="stockstream-") as folder:
        with lake_connection(None, lake, as_of) as con:
            feed = open_feed(con, setup, columns, query, src=src, sql_path=sql_path)
            feed = feed.save(Path(folder) / "bars.arrow")
        yield feed


def run_trials(strategy: Factory, combinations: Sequence[Params], feed: Feed, setup: Setup) -> list[Trial]:
    """Run several combinations in one pass over the feed; return their trials in the same order."""
    strategies = [make_strategy(strategy_class(strategy), params) for params in combinations]
    accounts = run(strategies, feed, setup)
    return [make_trial(account, params, setup) for account, params in zip(accounts, combinations, strict=True)]


def make_trial(account: Account, params: Params, setup: Setup) -> Trial:
    """Return the trial of one account."""
    curve = account.curve
    return Trial(params, metrics_of(account, curve, setup), curve.equity, str(account.error) if account.error else None)


def strategy_class(strategy: Factory) -> type[Strategy]:
    """Return the class of a strategy.

    Raises:
        UsageError: there is none of that name, or it is no class.
    """
    if isinstance(strategy, str):
        return find_strategy(strategy)
    if not (isinstance(strategy, type) and issubclass(strategy, Strategy)):
        raise ArgumentError(f"strategy: {strategy!r} is no strategy: name a subclass of Strategy, not an instance")
    return strategy
