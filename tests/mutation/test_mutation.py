"""The mutation test itself: which mutants it makes, that it notices survivors, and a sample of `make mutate`."""

from __future__ import annotations

import json
import re
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import duckdb
import pytest

from stockstream.pipeline.checks import Check
from stockstream.sql.loader import load
from tests.mutation import __main__ as command
from tests.mutation import cases
from tests.mutation.mutants import mutants, parse, render
from tests.mutation.score import Planted, equivalent, score

ROOT = Path(__file__).parents[2]
CHANGES = {
    "SELECT a FROM t WHERE a > 1": {"a < 1", "a >= 1", "a > 2"},
    "SELECT a FROM t WHERE a = 1 AND b <> 2": {"a <> 1", "OR b <> 2", "b = 2", "a = 2", "b <> 3"},
    "SELECT a FROM t WHERE a IS NULL": {"NOT a IS NULL"},
    "SELECT a FROM t WHERE a IS NOT NULL": {"WHERE a IS NULL"},
    "SELECT a FROM t WHERE NOT f(a)": {"(F(a))"},
    "SELECT a FROM t WHERE a IS DISTINCT FROM b": {"a <> b", "a IS NOT DISTINCT FROM b"},
    "SELECT a FROM t WHERE a IN (1, 2)": {"NOT a IN", "(2, 2)", "(1, 3)"},
    "SELECT a FROM t WHERE a BETWEEN b AND c": {"a <= c", "a >= b"},
    "SELECT t.a FROM t LEFT JOIN u ON t.a = u.a": {"FROM t JOIN u", "t.a <> u.a"},
    "SELECT t.a FROM t SEMI JOIN u ON t.a = u.a": {"ANTI JOIN", "t.a <> u.a"},
    "SELECT t.a FROM t FULL JOIN u ON t.a = u.a": {"LEFT JOIN", "t.a <> u.a"},
    "SELECT sum(a) OVER (PARTITION BY b ORDER BY c ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) FROM t": {
        "OVER (ORDER BY c ROWS",
        "ORDER BY c DESC",
        "BETWEEN CURRENT ROW AND 1 PRECEDING",
        "AND CURRENT ROW)",
        "AND 2 PRECEDING",
    },
    "SELECT a + 1 - b * c / 2 FROM t": {"a - 1", "+ b", "b / c", "c * 2", "a + 2", "/ 3"},
    "SELECT 'x' FROM t WHERE d > DATE '2024-01-31' - INTERVAL 1 DAY AND getvariable('v')": {
        "'xx'",
        "'2024-02-01'",
        "INTERVAL '2' DAY",
        "d >= ",
        "d < ",
        "+ INTERVAL",
        "OR GETVARIABLE('v')",
    },
}


@pytest.mark.parametrize("sql", CHANGES)
def test_every_operator_constant_join_frame_and_null_test_is_changed(sql: str) -> None:
    changed = [mutant.sql for mutant in mutants(sql)]
    assert len(changed) == len(CHANGES[sql]), changed
    for change in CHANGES[sql]:
        assert any(change in one and change not in render(parse(sql)) for one in changed), (change, changed)


def planted(sql: str, *bad: str) -> Planted:
    def open_table(stack: ExitStack, folder: Path) -> duckdb.DuckDBPyConnection:
        con = stack.enter_context(duckdb.connect())
        con.execute("CREATE TABLE t AS SELECT range AS a FROM range(5)")
        return con

    return Planted(Check("a check", sql), bad, open_table)


def test_a_mutant_that_no_planted_row_notices_survives() -> None:
    weak = score("weak", [planted("SELECT a FROM t WHERE a > 3", "4")])
    assert (weak.mutants, weak.killed, list(weak.survivors)) == (3, 3, [])
    weak = score("weak", [planted("SELECT a FROM t WHERE a > 3 OR a > 7", "4")])
    assert any("a > 8" in name for name in weak.survivors)


def test_a_check_that_fails_on_its_planted_rows_has_no_score() -> None:
    with pytest.raises(AssertionError, match="finds"):
        score("wrong", [planted("SELECT a FROM t WHERE a > 3", "3")])


def test_every_check_has_planted_bad_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that someone adds is mutated without further edits, and `make mutate` fails if it has none."""
    assert cases.without_planted_rows() == []
    monkeypatch.setattr(cases, "NAMES", [*cases.NAMES, "bars__new"])
    assert cases.without_planted_rows() == ["bars__new"]


def test_mutants_that_change_nothing_exist_and_have_a_reason() -> None:
    for name, listed in equivalent().items():
        existing = {mutant.name for mutant in mutants(load(f"checks/{name}").body)}
        assert set(listed) <= existing, name
        assert all(len(reason) > 20 for reason in listed.values()), name


@pytest.mark.slow
def test_a_sample_of_all_mutants_is_killed(tmp_path: Path) -> None:
    """Every ninth mutant of each generic rule and of a shipped check; `make mutate` runs all mutants of all checks."""
    clean = cases.clean_lake(tmp_path / "clean")
    by_check: dict[str, list[Planted]] = {}
    for case in [*cases.planted_in_lakes(clean), *cases.planted_in_tables()]:
        by_check.setdefault(case.check.name, []).append(case)
    names = sorted(by_check)
    for name in [name for name in names if name == "bars__unique" or name not in cases.NAMES]:
        result = score(name, by_check[name], partial(_every, 9))
        assert list(result.survivors) == [], name


def _every(step: int, number: int) -> bool:
    return number % step == 0


def test_the_command_prints_the_score(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["mutate", "--json", "--check", "unique: [k, x]"])
    assert command.main() == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["score"], result["mutants"], result["without_planted_rows"]) == (100.0, 4, [])
    assert re.search(
        r"^mutate: install ##.*\n\t\$\(BIN\)/python -m tests.mutation$", (ROOT / "Makefile").read_text(), re.M
    )
    assert re.search(r"\bmake mutate$", (ROOT / ".ci/run").read_text(), re.M)
