"""Searches that try some combinations of parameters instead of all: at random, or learning from the trials so far.

The sampler is optuna's (extra `search`). Bayesian is its tree-structured Parzen estimator: Bergstra et al., "Algorithms
for Hyper-Parameter Optimization", NeurIPS 2011.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from stockstream.analytics.backtest.runs.grid import Factory, Search, Trial, rejections, search
from stockstream.analytics.backtest.runs.parameters import plain
from stockstream.analytics.backtest.runs.ranking import Constraint, Objective, Params, Ranking
from stockstream.analytics.backtest.stats import SEED
from stockstream.sql.errors import UsageError
from stockstream.sql.extras import require

if TYPE_CHECKING:
    import optuna

Method = Literal["random", "bayesian"]
RUNS = 50
"""Default number of combinations to try."""
BATCH = 10
"""Combinations per round of a Bayesian search: they run in parallel, and the next round learns from them.

It does not depend on the number of processes, so that neither does the result.
"""
MAX_ROUNDS = 5
"""Rounds without a new combination after which a search ends: the space is nearly used up."""


def sample(
    strategy: Factory,
    space: Mapping[str, Sequence[Any]],
    lake: str | Path | None = None,
    *,
    runs: int = RUNS,
    method: Method = "bayesian",
    seed: int = SEED,
    rank: Objective = "sharpe",
    where: Constraint | None = None,
    on_runs: Callable[[int], None] = lambda count: None,
    **settings: Any,
) -> Search:
    """Run a strategy with some combinations of parameters; the same seed tries the same ones.

    Args:
        strategy: as in `search`.
        space: the values per parameter, such as `{"fast": range(5, 50), "slow": range(60, 250, 10)}`. Numbers are
            treated as ordered, other values as categories.
        lake: the lake's URI; by default the one of the settings.
        runs: number of different combinations to try, at most all.
        method: random; or bayesian, which tries more of what has scored well.
        seed: seed of the random numbers.
        rank: as in `search`; a Bayesian search looks for its best value.
        where: as in `search`; a combination that does not meet it is a trial with the reason, and not a run.
        on_runs: called with the number of runs completed since the last call.
        settings: further arguments of `search`, and the fields of `Setup`.

    Raises:
        UsageError: optuna is not installed, a parameter has no values, or as in `search`.
    """
    if method not in get_args(Method):
        raise UsageError(f"method: {method!r} is none of {', '.join(get_args(Method))}")
    if empty := [name for name, values in space.items() if not len(values)]:
        raise UsageError(f"the parameter {empty[0]} has no values to choose from")
    ranking = Ranking(rank)
    space = {name: [plain(value) for value in values] for name, values in space.items()}
    study, distributions = _study(method, seed, space)
    total = min(runs, math.prod(len(values) for values in space.values()))
    trials: dict[tuple[Any, ...], Trial] = {}
    runs_so_far = idle = 0
    while runs_so_far < total and idle < MAX_ROUNDS:
        requests = [study.ask(distributions) for _ in range(total if method == "random" else BATCH)]
        keys = [_key(item.params, space) for item in requests]
        fresh = list(dict.fromkeys(key for key in keys if key not in trials))
        for key, trial in _run(strategy, fresh, space, total - runs_so_far, lake, rank, where, on_runs, settings):
            trials[key] = trial
            runs_so_far += bool(trial.metrics)
        idle = 0 if fresh else idle + 1
        for item, key in zip(requests, keys, strict=True):
            one = trials.get(key)
            score = ranking.score(one.metrics) if one is not None and one.error is None else None
            if score is None:
                study.tell(item, state=_failed())
            else:
                study.tell(item, score)
    if not runs_so_far and trials:
        raise UsageError(str(next(iter(trials.values())).error))
    return Search(list(trials.values()), rank)


def _study(
    method: Method, seed: int, space: Mapping[str, Sequence[Any]]
) -> tuple[optuna.Study, dict[str, optuna.distributions.BaseDistribution]]:
    require("optuna", by="a random or Bayesian search")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = (
        optuna.samplers.RandomSampler(seed=seed)
        if method == "random"
        else optuna.samplers.TPESampler(seed=seed, n_startup_trials=BATCH, constant_liar=True)
    )
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.IntDistribution(0, len(values) - 1)
        if all(type(value) in (int, float) for value in values)
        else optuna.distributions.CategoricalDistribution(list(range(len(values))))
        for name, values in space.items()
    }
    return optuna.create_study(direction="maximize", sampler=sampler), distributions


def _failed() -> optuna.trial.TrialState:
    import optuna

    return optuna.trial.TrialState.FAIL


def _key(positions: Mapping[str, int], space: Mapping[str, Sequence[Any]]) -> tuple[int, ...]:
    """Return a combination as the position of each value in its list."""
    return tuple(positions[name] for name in space)


def _run(
    strategy: Factory,
    keys: Sequence[tuple[int, ...]],
    space: Mapping[str, Sequence[Any]],
    limit: int,
    lake: str | Path | None,
    rank: Objective,
    where: Constraint | None,
    on_runs: Callable[[int], None],
    settings: Mapping[str, Any],
) -> list[tuple[tuple[int, ...], Trial]]:
    """Return the trials of combinations, in order, with at most `limit` runs."""
    combinations: list[Params] = [{name: space[name][at] for name, at in zip(space, key, strict=True)} for key in keys]
    reasons = rejections(strategy, combinations, where)
    possible = [number for number, reason in enumerate(reasons) if reason is None][:limit]
    results: dict[int, Trial] = {}
    if possible:
        part = search(strategy, [combinations[at] for at in possible], lake, rank=rank, on_runs=on_runs, **settings)
        results = dict(zip(possible, part.trials, strict=True))
    for number, reason in enumerate(reasons):
        if reason is not None:
            results[number] = Trial(combinations[number], {}, np.zeros(0), reason)
    return [(keys[number], results[number]) for number in sorted(results)]
