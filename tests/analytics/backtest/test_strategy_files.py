"""A strategy file may import modules beside it; every error in it is one line and exit code 2."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.analytics.backtest._command import MINE, assert_refused, run_backtest


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("mine.py", "def broken(:\n", "mine.py, line 1: invalid syntax"),
        ("helper.py", "\ndef broken(:\n", "helper_NAME.py, line 2: invalid syntax"),
        ("mine.py", "1 / 0\n", "mine.py failed: ZeroDivisionError: division by zero"),
        ("mine.py", "import no_such_module\n", "mine.py failed: ModuleNotFoundError: No module named 'no_such_module'"),
        ("mine.py", "x = 1\n", "mine.py has 0 strategies"),
        ("mine.py", "TWO", "mine.py has 2 strategies: name one as"),
        ("mine.py", "ABSTRACT", "mine.py has 0 strategies"),
    ],
)
def test_a_file_that_gives_no_strategy_says_why(name: str, text: str, words: str, mine: str, lake: str) -> None:
    folder = Path(mine).parent
    texts = {"TWO": MINE + "\nclass Other(Mine): pass\n", "ABSTRACT": MINE.replace("on_data", "on_dota")}
    file = folder / name.replace("helper", f"helper_{folder.name}")
    file.write_text(texts.get(text, text).replace("{n}", folder.name))
    assert_refused(run_backtest(mine, lake), words.replace("NAME", folder.name))


def test_one_of_two_strategies_of_a_file_is_named(mine: str, lake: str) -> None:
    Path(mine).write_text(Path(mine).read_text() + "\nclass Other(Mine): pass\n")
    assert json.loads(run_backtest(f"{mine}:Other", lake, "--json").out)["setup"]["strategy"] == "Other"


@pytest.mark.parametrize(
    "statement", ["from analytics.backtest import Action, Strategy", "import sql", "import pipeline.lake"]
)
@pytest.mark.parametrize("is_checkout", [True, False])
def test_an_import_by_a_former_bare_name_says_the_new_one(
    statement: str, is_checkout: bool, mine: str, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a checkout on the path, the bare name would load the same package a second time."""
    if is_checkout:
        monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))
    Path(mine).write_text(f"{statement}\n")
    name = statement.split()[1].partition(".")[0]
    assert_refused(run_backtest(mine, lake), f"mine.py imports {name}: write stockstream.{name} instead")


def test_another_package_of_such_a_name_can_be_imported(mine: str, lake: str) -> None:
    """jupysql's package is called `sql`."""
    (Path(mine).parent / "sql.py").write_text("NUMBER = 5\n")
    Path(mine).write_text(Path(mine).read_text() + "\nimport sql\nassert sql.NUMBER == 5\n")
    assert run_backtest(mine, lake).code == 0
    del sys.modules["sql"]
