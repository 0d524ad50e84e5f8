"""Several strategies in one account, and a user's own functions of costs, from the command line and a TOML file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stockstream.analytics.backtest import BuyAndHold, RSIMeanReversion, blend, search
from tests.analytics.backtest._command import assert_refused, run_cli

COSTS = """
FREE = 100

def fees(quantity, price, order):
    return 0 if quantity <= FREE else 7

def impact(quantity, price, volume):
    return price * quantity / volume

def broken(quantity):
    return 1

rate = 5
"""


@pytest.fixture
def costs(mine: str) -> str:
    """Return a user's file with functions of costs, which has the name of the strategy's file in another folder."""
    file = Path(mine).parent / "costs" / "mine.py"
    file.parent.mkdir()
    file.write_text(COSTS)
    return str(file)


def run(lake: str, *arguments: str) -> Any:
    return run_cli("backtest", "--lake", lake, *arguments)


def test_a_blend_on_the_command_line_is_that_of_python(mine: str, lake: str) -> None:
    ran = run(
        lake, "--blend", "BuyAndHold=60", "--blend", "second=RSIMeanReversion=30", "--blend", f"{mine}=5",
        "--param", "BuyAndHold.percent=50", "--param", "Mine.size=2", "--json",
    )  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    document = json.loads(ran.out)
    strategies = {"BuyAndHold": (BuyAndHold(percent=50), 60), "second": (RSIMeanReversion(), 30)}
    expected = blend(strategies, lake)
    assert list(document["parts"]) == ["BuyAndHold", "second", "Mine"]
    for name, part in expected.parts.items():
        assert document["parts"][name]["metrics"] == part.metrics
        assert document["parts"][name]["open_positions"], name
    assert document["parts"]["Mine"]["setup"]["params"]["size"] == 2
    digests = document["provenance"]["strategy"]
    assert digests["Mine"].startswith("Mine, sha256")
    assert len(set(digests.values())) == 3
    capitals = [part["setup"]["initial_capital"] for part in document["parts"].values()]
    assert capitals == pytest.approx([60_000, 30_000, 5_000])
    folder = Path("backtests/blend")
    assert json.loads((folder / "result.json").read_text()) == document
    assert {file.name for file in folder.iterdir() if file.is_dir()} == {"BuyAndHold", "second", "Mine"}
    assert (folder / "second" / "report.html").is_file()
    assert 'id="strategies"' in (folder / "report.html").read_text()


def test_a_blend_prints_a_row_per_strategy(mine: str, lake: str) -> None:
    ran = run(lake, "--blend", "BuyAndHold=60", "--blend", f"{mine}=30", "-o", "here", "--export")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("BuyAndHold + Mine(BuyAndHold(weight=60.0, percent=95), Mine(weight=30.0, size=3")
    rows = [line.replace("│", " ").split() for line in ran.out.splitlines()]
    assert [row[:2] for row in rows if row and row[0] in ("BuyAndHold", "Mine")] == [
        ["BuyAndHold", "+"], ["BuyAndHold", "60%"], ["Mine", "30%"],
    ]  # fmt: skip
    assert Path("here/pyfolio/returns.csv").is_file()


def test_a_blend_in_a_configuration_file(mine: str, lake: str) -> None:
    text = f"""
    symbols = ["AAA"]
    [blend.hold]
    strategy = "BuyAndHold"
    weight = 60
    params = {{ percent = 50 }}
    [blend.mine]
    strategy = "{mine}"
    weight = 20
    """
    Path("../run.toml").write_text(text)
    ran = run(lake, "--config", "../run.toml", "--param", "mine.size=9", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["setup"]["params"] == {
        "hold": {"weight": 60, "percent": 50}, "mine": {"weight": 20, "size": 9, "fail": False, "note": ""},
    }  # fmt: skip


def test_a_strategy_that_fails_is_exit_1_and_the_rest_is_kept_up_to_then(mine: str, lake: str) -> None:
    ran = run(lake, "--blend", "BuyAndHold=60", "--blend", f"{mine}=30", "--param", "Mine.fail=true", "-o", "here")
    assert ran.code == 1
    assert ran.err.startswith("error: Mine: Mine.on_data failed on 2020-08-03 at AAA: RuntimeError: it is August (")
    assert ran.err.endswith("; the results up to then are in here\n")
    document = json.loads(Path("here/result.json").read_text())
    assert [position["symbol"] for position in document["open_positions"]] == ["AAA", "BBB"], "those of Mine"
    assert "positions that are open are not listed" in document["notes"][-1]["text"]


BOTH = ["--blend", "BuyAndHold=60", "--blend", "RSIMeanReversion=30"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--blend", "BuyAndHold"], "--blend BuyAndHold: write STRATEGY=WEIGHT"),
        (["--blend", "a=b=BuyAndHold=5"], "write STRATEGY=WEIGHT, such as BuyAndHold=60, or NAME=STRATEGY=WEIGHT"),
        (["--blend", "BuyAndHold=much"], "--blend BuyAndHold=much: much is no weight in per cent"),
        (["--blend", "BuyAndHold=nan"], "each must be above 0, and all together at most 100 per cent"),
        (["--blend", "BuyAndHold=60", "--blend", "RSIMeanReversion=50"], "all together at most 100 per cent"),
        (["--blend", "BuyAndHole=60"], "no strategy BuyAndHole: there are"),
        (["--blend", "../x=BuyAndHold=60"], "../x cannot be a name"),
        (["--blend", "BuyAndHold=60", "--blend", "BuyAndHold=30"], "two strategies have the same name"),
        ([*BOTH, "--param", "percent=5"], "--param percent=5: name the strategy, as BuyAndHold.percent=5"),
        ([*BOTH, "--param", "Hold.percent=5"], "name the strategy, as BuyAndHold.percent=5"),
        ([*BOTH, "--param", "BuyAndHold.speed=5"], "BuyAndHold has no parameter speed"),
        ([*BOTH, "--param", "BuyAndHold.percent=5,6"], "a strategy of a blend has one value per parameter"),
        ([*BOTH, "--strategy", "BuyAndHold"], "several strategies, or a single one"),
        ([*BOTH, "--verify-no-lookahead"], "take a single strategy"),
        ([*BOTH, "--walk-forward", "20:5"], "take a single strategy"),
        (["--strategy", "BuyAndHold", "--commission", "no.py:fees"], "there is no file "),
        (["--strategy", "BuyAndHold", "--commission", "COSTS"], "mine.py:my_function"),
        (["--strategy", "BuyAndHold", "--commission", "COSTS:fee"], "mine.py has no function fee"),
        (["--strategy", "BuyAndHold", "--commission", "COSTS:rate"], "mine.py has no function rate"),
        (["--strategy", "BuyAndHold", "--commission", "COSTS:broken"], "mine.py:broken: it must take quantity, price"),
        (["--strategy", "BuyAndHold", "--slippage", "COSTS:fees"], "it must take quantity, price, volume"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(arguments: list[str], words: str, costs: str, lake: str) -> None:
    assert_refused(run(lake, *(argument.replace("COSTS", costs) for argument in arguments)), words)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[blend.a]\nstrategy = 'BuyAndHold'", "[blend.a]: it needs strategy, a text, and weight, a number"),
        ("[blend.a]\nstrategy = 'BuyAndHold'\nweight = 5\nsize = 3", "[blend.a]: there is no size"),
        ("[blend.a]\nstrategy = 'BuyAndHold'\nweight = 5\nparams = {speed = 3}", "BuyAndHold has no parameter speed"),
        ("blend = 3", "blend must be a table per strategy"),
        ("strategy = 'BuyAndHold'\n[blend.a]\nstrategy = 'BuyAndHold'\nweight = 5", "or a single one"),
    ],
)
def test_a_blend_that_cannot_be_read_is_one_line_and_exit_2(table: str, words: str, mine: str, lake: str) -> None:
    Path("../run.toml").write_text(table)
    assert_refused(run(lake, "--config", "../run.toml"), words)


def test_a_users_functions_are_the_costs_of_a_run(mine: str, costs: str, lake: str) -> None:
    arguments = ["--strategy", mine, "--param", "size=101", "--commission", f"{costs}:fees", "--json"]
    ran = run(lake, *arguments, "--slippage", f"{costs}:impact", "--symbols", "AAA")
    assert (ran.code, ran.err) == (0, "")
    document = json.loads(ran.out)
    assert document["costs"]["commission"] == 7
    assert document["costs"]["slippage"] > 0
    assert document["setup"]["commission"] == f"{costs}:fees", "the file runs again with it"
    assert document["provenance"]["strategy"].startswith("Mine, sha256")
    ran = run(lake, *arguments[:2], "--symbols", "AAA", *arguments[4:], "--param", "size=100")
    assert json.loads(ran.out)["costs"]["commission"] == 0


def test_a_users_functions_are_the_costs_of_many_runs_in_several_processes(mine: str, costs: str, lake: str) -> None:
    combinations = [{"size": size} for size in range(95, 115)]
    found = search(f"{mine}:Mine", combinations, lake, symbols="AAA", commission=f"{costs}:fees", jobs=2)
    assert [trial.metrics["commission"] for trial in found.trials] == [0] * 6 + [7] * 14
