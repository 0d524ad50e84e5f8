"""Parameter searches and walk-forward runs: results, files, and the warning that the best run may be luck."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

from stockstream.analytics.backtest import Action, MovingAverageCrossover, backtest
from stockstream.analytics.backtest.report import render_walk, types_in
from stockstream.analytics.backtest.runs import Search, parameter_grid, parameter_space, search, walk_forward
from stockstream.analytics.backtest.stats import FIGURES
from stockstream.pipeline.errors import UsageError
from tests.analytics.backtest._command import run_cli

SYMBOLS = ["AAPL", "IBM"]
START = "2008-01-02"
COMBINATIONS = [{"fast": fast, "slow": slow} for fast in (5, 10, 20) for slow in (40, 60)]


@pytest.fixture(scope="module")
def result(demo: str) -> Search:
    """Return the result of a search over all combinations, run in two processes."""
    return search("MovingAverageCrossover", COMBINATIONS, demo, jobs=2, symbols=SYMBOLS, start=START)


def test_a_trial_of_a_search_equals_the_run_alone(result: Search, demo: str) -> None:
    assert [trial.params for trial in result.trials] == COMBINATIONS
    for trial in result.trials[::2]:
        alone = backtest(MovingAverageCrossover(**trial.params), demo, symbols=SYMBOLS, start=START)
        assert dict(trial.metrics) == dict(alone.metrics)
        assert (trial.equity == alone.curve.equity).all()


def test_the_number_of_processes_makes_no_difference(result: Search, demo: str) -> None:
    alone = search("MovingAverageCrossover", COMBINATIONS, demo, jobs=1, symbols=SYMBOLS, start=START)
    assert alone.rows() == result.rows()


def test_the_best_trial_has_the_highest_metric_of_the_ranking(result: Search, demo: str) -> None:
    for rank in ("sharpe", "max_drawdown"):
        ranking = replace(result, rank=rank)
        values = [trial.metrics[rank] for trial in ranking.trials]
        assert ranking.best is not None
        assert ranking.best.metrics[rank] == max(values)
        assert [trial.metrics[rank] for trial in ranking.ranked()] == sorted(values, reverse=True)
    assert search(MovingAverageCrossover, COMBINATIONS[:2], demo, rank="cagr", jobs=1, symbols=SYMBOLS).rank == "cagr"
    with pytest.raises(UsageError, match="no metric luck: there are final_equity"):
        search(MovingAverageCrossover, COMBINATIONS[:1], demo, rank="luck", jobs=1, symbols=SYMBOLS, start=START)


def test_the_best_trial_has_the_lowest_of_a_metric_of_which_less_is_better(result: Search) -> None:
    for rank in ("volatility", "costs", "ulcer_index"):
        ranking = replace(result, rank=rank)
        values = [trial.metrics[rank] for trial in ranking.trials]
        assert [trial.metrics[rank] for trial in ranking.ranked()] == sorted(values)
    assert set(result.trials[0].metrics) == set(FIGURES)


def test_an_expression_or_a_function_ranks_the_trials(result: Search) -> None:
    expression = replace(result, rank="sharpe - 10 * ulcer_index")
    function = replace(result, rank=lambda figures: figures["sharpe"] - 10 * figures["ulcer_index"])
    scores = [trial.metrics["sharpe"] - 10 * trial.metrics["ulcer_index"] for trial in result.trials]
    for ranking in (expression, function):
        assert ranking.best is result.trials[int(np.argmax(scores))]
        assert [row["objective"] for row in ranking.rows()] == pytest.approx(scores)
    assert "objective" not in result.rows()[0]
    nothing = replace(result, rank="sharpe / (trades - trades)")
    assert nothing.best is None


@pytest.mark.parametrize(
    ("rank", "words"),
    [("sharp", "no metric sharp"), ("sharpe - ulcer", "rank sharpe - ulcer: "), ("sharpe; DROP", "rank sharpe; DROP")],
)
def test_an_objective_that_is_none_is_refused_before_the_first_run(rank: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        search(MovingAverageCrossover, COMBINATIONS, "no-lake", rank=rank)


@pytest.mark.parametrize("where", ["slow > 4 * fast", lambda params: params["slow"] > 4 * params["fast"]])
def test_a_combination_that_does_not_meet_the_constraint_is_a_row_with_the_reason(demo: str, where: object) -> None:
    part = search(MovingAverageCrossover, COMBINATIONS, demo, where=where, jobs=1, symbols=["IBM"], start="2011-01-03")
    assert [trial.params for trial in part.trials] == COMBINATIONS
    assert [not trial.error for trial in part.trials] == [p["slow"] > 4 * p["fast"] for p in COMBINATIONS]
    assert {row["error"].partition(": ")[2] for row in part.rows() if row["error"]} == {
        "these parameters do not meet the constraint"
    }


def test_constraints_that_nothing_meets_or_that_are_no_sql_are_errors() -> None:
    for where, words in (("fast > slow", "do not meet the constraint"), ("fats < slow", "where fats < slow: ")):
        with pytest.raises(UsageError, match=words):
            search(MovingAverageCrossover, COMBINATIONS, "no-lake", where=where)


class Picky(MovingAverageCrossover):
    """Rejects averages in the wrong order; has a parameter that is called like a metric."""

    def __init__(self, fast: int = 5, slow: int = 40, volatility: float = 1) -> None:
        if fast >= slow:
            raise ValueError("fast must be below slow")
        super().__init__(fast, slow)


def test_a_combination_that_the_strategy_rejects_is_a_row_with_the_reason(demo: str) -> None:
    combinations = [{"fast": 50, "slow": 40, "volatility": 3}, {"fast": 5, "slow": 40, "volatility": 2}]
    result = search(Picky, combinations, demo, jobs=1, symbols=SYMBOLS, start=START)
    rejected, run = result.rows()
    assert rejected["error"] == "Picky(fast=50, slow=40, volatility=3) failed: ValueError: fast must be below slow"
    assert (rejected["sharpe"], rejected["param_volatility"], run["param_volatility"]) == (None, 3, 2)
    assert (run["error"], run["volatility"]) == ("", result.trials[1].metrics["volatility"])
    assert result.best is result.trials[1]
    with pytest.raises(UsageError, match="fast must be below slow"):
        search(Picky, combinations[:1], demo, jobs=1, symbols=SYMBOLS, start=START)


def test_results_are_a_table_for_sql_and_the_output_warns_of_luck(demo: str, tmp_path: Path) -> None:
    arguments = ["--strategy", "MovingAverageCrossover", "--param", "fast=5:15:5", "--param", "slow=40,60"]
    options = ["--lake", demo, "--symbols", "AAPL,IBM", "--start", START, "--jobs", "1", "-o", str(tmp_path)]
    ran = run_cli("backtest", *arguments, *options)
    assert ran.code == 0, ran.err
    assert "6 runs" in ran.out
    assert "deflated Sharpe ratio of the best: 0." in ran.out
    with duckdb.connect() as con:
        rows = con.execute(f"SELECT param_fast, param_slow, sharpe, error FROM '{tmp_path}/results.parquet'").fetchall()
    assert [row[:2] for row in rows] == [(fast, slow) for fast in (5, 10, 15) for slow in (40, 60)]
    first = (tmp_path / "results.parquet").read_bytes()
    document = json.loads(run_cli("backtest", *arguments, *options, "--json").out)
    assert [trial["metrics"]["sharpe"] for trial in document["trials"]] == [row[2] for row in rows]
    assert 0 <= document["deflated_sharpe"] <= 1
    assert document["best"] == max(document["trials"], key=lambda trial: trial["metrics"]["sharpe"])["params"]
    assert (tmp_path / "results.parquet").read_bytes() == first


def test_a_run_that_fails_is_one_row_and_the_others_go_on(demo: str, tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(
        "from stockstream.analytics.backtest import Action, Strategy\n"
        "class Half(Strategy):\n"
        "    def __init__(self, n: int = 1):\n        self.n = n\n"
        "    def on_data(self, date, symbol, data, portfolio):\n"
        "        if self.n == 2: raise ValueError('two')\n"
        "        return Action.buy(self.n) if symbol not in portfolio.positions else None\n"
    )
    result = search(f"{tmp_path}/half.py", [{"n": n} for n in (1, 2, 3)], demo, jobs=2, symbols=["IBM"])
    assert [bool(trial.error) for trial in result.trials] == [False, True, False]
    assert "ValueError: two" in (result.trials[1].error or "")
    assert result.best is not None
    assert result.best.params in ({"n": 1}, {"n": 3})


def test_walk_forward_chooses_on_the_past_and_tests_on_what_follows(demo: str) -> None:
    walk = walk_forward(MovingAverageCrossover, COMBINATIONS, 504, 252, demo, jobs=1, symbols=SYMBOLS, start=START)
    days = backtest(MovingAverageCrossover(), demo, symbols=SYMBOLS, start=START).curve.dates
    for number, step in enumerate(walk.steps):
        window = step.window
        first = number * 252
        assert (window.train_from, window.train_to) == (days[first], days[first + 503])
        assert (window.test_from, window.test_to) == (days[first + 504], days[min(first + 755, len(days) - 1)])
    step = walk.steps[1]
    settings = {"symbols": SYMBOLS, "at_end": "close"}
    trained = search(
        MovingAverageCrossover, COMBINATIONS, demo, jobs=1,
        start=step.window.train_from, end=step.window.train_to, **settings,
    )  # fmt: skip
    assert trained.best is not None
    assert trained.best.params == step.trained.params
    alone = backtest(
        MovingAverageCrossover(**step.trained.params), demo,
        start=step.window.train_to, end=step.window.test_to, **settings,
    )  # fmt: skip
    assert (alone.curve.equity == step.tested.equity).all()
    chained = np.prod([1 + step.tested.metrics["total_return"] for step in walk.steps])
    assert walk.metrics["total_return"] == pytest.approx(chained - 1, rel=1e-9)


class Late(MovingAverageCrossover):
    """Fails at the first bar of a run that begins at the end of a training, which tests do."""

    def on_data(self, date, symbol, data, portfolio):  # type: ignore[no-untyped-def]
        if date == date.fromisoformat(LAST) and not portfolio.transactions:
            raise ValueError("no trade yet")
        return Action.buy(1)


LAST = "2008-01-14"


def test_a_test_that_fails_at_its_first_bar_is_a_row_with_the_reason(demo: str) -> None:
    settings = {"symbols": ["IBM"], "start": START, "end": "2008-01-28"}
    walk = walk_forward(Late, [{}], 9, 9, demo, jobs=1, rank="total_return", **settings)
    assert str(walk.steps[0].window.train_to) == LAST
    (first, *_) = rows = walk.rows()
    assert "ValueError: no trade yet" in first["error"]
    assert {name for name in FIGURES if first[name] is not None} == set()
    page = render_walk("Late", rows, {}, "total_return", walk.dates, walk.equity, walk.metrics, {})
    assert "no trade yet" in page


def test_numbers_of_numpy_are_parameters_like_others(demo: str) -> None:
    combinations = [{"fast": fast, "slow": np.int64(40)} for fast in np.arange(5, 16, 5)]
    result = search(MovingAverageCrossover, combinations, demo, jobs=1, symbols=SYMBOLS, start=START)
    assert types_in(result.rows())["param_fast"] == "BIGINT"
    assert json.loads(json.dumps([trial.params for trial in result.trials]))[2] == {"fast": 15, "slow": 40}


def test_walk_forward_on_the_command_line(demo: str, tmp_path: Path) -> None:
    arguments = ["--strategy", "MovingAverageCrossover", "--param", "fast=5,20", "--walk-forward", "504:300"]
    options = ["--lake", demo, "--symbols", "AAPL,IBM", "--start", START, "--jobs", "1", "-o", str(tmp_path)]
    ran = run_cli("backtest", *arguments, *options)
    assert ran.code == 0, ran.err
    assert "fast=" in ran.out
    with duckdb.connect() as con:
        rows = con.execute(
            f"SELECT test_from, param_fast, trained_sharpe, sharpe FROM '{tmp_path}/walk_forward.parquet'"
        )
        assert len(rows.fetchall()) == 3
    for wrong, words in (("10", "write the numbers of"), ("9000:10", "needs 9010 sessions")):
        ran = run_cli("backtest", *arguments[:-1], wrong, *options[:-4], "-o", str(tmp_path))
        assert (ran.code, words in ran.err) == (2, True), ran.err


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["fast=10"], [{"fast": 10}]),
        (["fast=5:15:5"], [{"fast": 5}, {"fast": 10}, {"fast": 15}]),
        (["fast=5:7"], [{"fast": 5}, {"fast": 6}, {"fast": 7}]),
        (["percent=0.1:0.3:0.1"], [{"percent": 0.1}, {"percent": 0.2}, {"percent": pytest.approx(0.3)}]),
        (["fast=5,9", "slow=50"], [{"fast": 5, "slow": 50}, {"fast": 9, "slow": 50}]),
        ([], [{}]),
    ],
)
def test_parameters_are_values_lists_and_ranges(texts: list[str], expected: list[dict]) -> None:
    assert parameter_grid(parameter_space(MovingAverageCrossover, texts)) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fast", "write name=value"),
        ("fast=quick", "write a number"),
        ("fast=9:5", "write a number"),
        ("fast=1:9:0", "write a number"),
        ("faster=9", "has no parameter faster: it takes fast = 20, slow = 50, percent = 95"),
    ],
)
def test_parameters_that_are_none_are_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parameter_space(MovingAverageCrossover, [text])
