"""Random and Bayesian searches; and searches in scripts without a main guard, notebooks and standard input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stockstream.analytics.backtest import MovingAverageCrossover, sample
from stockstream.analytics.backtest.runs import processes, sampling, search
from stockstream.analytics.backtest.runs.grid import Trial
from stockstream.pipeline.errors import UsageError
from tests.analytics.backtest._command import run_cli

SPACE = {"fast": list(range(3, 13)), "slow": list(range(20, 60, 5))}
RANGE = {"symbols": ["IBM"], "start": "2011-01-03"}

SCRIPT = """
from stockstream.analytics.backtest import Action, Strategy, search

class Half(Strategy):
    def __init__(self, shares=1):
        self.shares = shares
    def on_data(self, date, symbol, data, portfolio):
        return Action.buy(self.shares) if symbol not in portfolio.positions else None

def objective(figures):
    return -figures["final_equity"]

combinations = [{"shares": shares} for shares in range(1, 41)]
result = search(Half, combinations, LAKE, jobs=2, rank=objective, where=lambda p: p["shares"] != 7)
print(len(result.trials), sum(bool(trial.metrics) for trial in result.trials), result.best.params)
"""


def bowl(strategy, combinations, lake, *, rank, on_runs, **settings):  # type: ignore[no-untyped-def]
    """Stand in for a search whose Sharpe ratio is a bowl around fast = 8, slow = 40."""
    on_runs(len(combinations))
    trials = [
        Trial(p, {"sharpe": -((p["fast"] - 8) ** 2) - ((p["slow"] - 40) / 5) ** 2}, [], None) for p in combinations
    ]
    return sampling.Search(trials, rank)


def test_a_bayesian_search_learns_from_its_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "search", bowl)
    scores = {}
    for method in ("random", "bayesian"):
        results = [sample(MovingAverageCrossover, SPACE, runs=30, method=method, seed=seed) for seed in range(8)]
        assert all(len({tuple(t.params.values()) for t in r.trials}) == len(r.trials) == 30 for r in results)
        scores[method] = sum(result.best.metrics["sharpe"] for result in results)
    assert scores["bayesian"] > scores["random"]


def test_the_same_seed_tries_the_same_and_all_of_a_small_space_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "search", bowl)
    one, again, other = (
        [trial.params for trial in sample(MovingAverageCrossover, SPACE, runs=20, seed=seed).trials]
        for seed in (1, 1, 2)
    )
    assert one == again != other
    small = {"fast": [3, 8], "slow": [40, 50]}
    for method in ("random", "bayesian"):
        result = sample(MovingAverageCrossover, small, runs=99, method=method)
        assert len(result.trials) == 4
        assert result.best.params == {"fast": 8, "slow": 40}


def test_impossible_combinations_are_rows_and_not_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "search", bowl)
    result = sample(MovingAverageCrossover, SPACE, runs=12, where="slow > 4 * fast", seed=3)
    runs = [trial for trial in result.trials if trial.metrics]
    assert len(runs) == 12
    assert all(trial.params["slow"] > 4 * trial.params["fast"] for trial in runs)
    rejected = [trial for trial in result.trials if not trial.metrics]
    assert rejected
    assert {trial.error for trial in rejected} == {"slow > 4 * fast: these parameters do not meet the constraint"}


def test_its_runs_are_those_of_a_search(demo: str) -> None:
    result = sample(MovingAverageCrossover, SPACE, demo, runs=3, method="random", jobs=1, **RANGE)
    same = search(MovingAverageCrossover, [trial.params for trial in result.trials], demo, jobs=1, **RANGE)
    assert result.rows() == same.rows()


def test_wrong_arguments() -> None:
    for arguments, words in (
        ({"space": {"fast": []}}, "fast has no values"),
        ({"space": SPACE, "method": "magic"}, "'magic' is none of random, bayesian"),
        ({"space": SPACE, "rank": "luck"}, "no metric luck"),
        ({"space": SPACE, "where": "fast > slow"}, "do not meet the constraint"),
    ):
        with pytest.raises(UsageError, match=words):
            sample(MovingAverageCrossover, **arguments)


def test_without_optuna_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r'optuna: pip install "\.\[search\]" in its checkout$'):
        sample(MovingAverageCrossover, SPACE)


def test_on_the_command_line(demo: str, tmp_path: Path) -> None:
    arguments = ["--strategy", "MovingAverageCrossover", "--param", "fast=5:15", "--param", "slow=40:90:10"]
    arguments += ["--lake", demo, "--symbols", "IBM", "--start", "2011-01-03", "--jobs", "1", "-o", str(tmp_path)]
    ran = run_cli(
        "backtest", *arguments, "--method", "random", "--runs", "3", "--seed", "7", "--where", "fast < 12",
        "--rank", "sharpe + calmar",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "the best 3 by sharpe + calmar" in ran.out
    page = (tmp_path / "results.html").read_text()
    assert "Objective" in page
    assert "method</th><td>random" in page
    ran = run_cli("backtest", *arguments, "--method", "random", "--walk-forward", "100:50")
    assert (ran.code, "omit --method random" in ran.err) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", ["script", *(pytest.param(way, marks=pytest.mark.large) for way in ("standard input", "notebook"))]
)
def test_a_search_needs_no_main_guard_and_no_file(lake: str, tmp_path: Path, way: str) -> None:
    text = SCRIPT.replace("LAKE", repr(lake))
    if way == "notebook":
        nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)])
        nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
        out = book.cells[0].outputs[0]["text"]
    else:
        (tmp_path / "script.py").write_text(text)
        command = [sys.executable, *(["-"] if way == "standard input" else [str(tmp_path / "script.py")])]
        ran = subprocess.run(command, input=text, capture_output=True, text=True, cwd=tmp_path, timeout=300)
        assert ran.returncode == 0, ran.stderr
        assert "Traceback" not in ran.stderr
        out = ran.stdout
    assert out.startswith("40 39 {'shares': ")


def test_what_another_process_cannot_import_goes_there_by_value(tmp_path: Path) -> None:
    (tmp_path / "apart.py").write_text("def double(value):\n    return 2 * value\n")
    sys.path.insert(0, str(tmp_path))
    try:
        from apart import double  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(tmp_path))
    results = dict(processes.parallel(_apply, [(double, 1), (double, 2)], 2))
    assert results == {0: 2, 1: 4}


def _apply(function, value):  # type: ignore[no-untyped-def]
    return function(value)


def test_an_error_ends_the_other_processes() -> None:
    with pytest.raises(ZeroDivisionError):
        list(processes.parallel(_divide, [(0,), (1,), (2,)], 2))


def _divide(value: int) -> float:
    return 1 / value
