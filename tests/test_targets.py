"""Every test is run by a target of the Makefile, and CI runs all of these targets."""

from __future__ import annotations

import re
import tomllib
from itertools import chain, combinations
from pathlib import Path

from tests.conftest import ALONE, SLOW

ROOT = Path(__file__).parents[1]
PYTEST = re.compile(r"^(?P<target>[\w-]+):.*\n\t\$\(BIN\)/python -m pytest (?P<options>.*)$", re.MULTILINE)
MARKED = re.compile(r'-m (?:"(?P<quoted>[^"]*)"|(?P<word>\w+))')
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
MARKERS = [line.partition(":")[0] for line in CONFIGURATION["markers"]]


def selections() -> dict[str, str]:
    """Return the marker expression by target, of all targets that run pytest."""
    found = {}
    for line in PYTEST.finditer((ROOT / "Makefile").read_text()):
        marked = MARKED.search(line["options"])
        assert marked, f"make {line['target']} does not say which tests it selects"
        found[line["target"]] = marked["quoted"] or marked["word"]
    return found


def test_a_test_is_run_by_one_target_whatever_its_markers() -> None:
    """`make quick` is part of `make test` and `make test-properties`."""
    # A marker expression is an expression of Python, too.
    expressions = {target: compile(text, target, "eval") for target, text in selections().items()}
    for markers in chain(*(combinations(MARKERS, size) for size in range(len(MARKERS) + 1))):
        names = {name: name in markers for name in MARKERS}
        targets = {target for target, expression in expressions.items() if eval(expression, {}, names)}
        assert len(targets - {"quick"}) == 1, (markers, targets)
        assert ("quick" in targets) == (bool(targets & {"test", "test-properties"}) and "slow" not in markers), markers


def test_pytest_alone_selects_what_make_test_selects() -> None:
    assert f"-m '{selections()['test']}'" in CONFIGURATION["addopts"]


def test_every_test_file_is_collected() -> None:
    """No target names a folder, so that each selects from all test files below `testpaths`."""
    assert CONFIGURATION["testpaths"] == ["tests"]
    options = " ".join(line["options"] for line in PYTEST.finditer((ROOT / "Makefile").read_text()))
    assert not re.search(r"--ignore|--deselect|-k |tests/", options + CONFIGURATION["addopts"])
    for folder in ("sql", "pipeline", "analytics", "terraform"):
        assert not list((ROOT / folder).rglob("test_*.py"))


def test_what_alone_has_a_family_names_its_marker() -> None:
    """`tests/conftest.py` collects a file for such a family only if the marker is in its text."""
    texts = {path: path.read_text() for path in (ROOT / "tests").rglob("*.py") if "recipes" not in path.parts}
    for family in ALONE:
        named = [path.name for path, text in texts.items() if re.search(rf"\bmark\.{family}\b", text)]
        assert named
        assert all(name.startswith("test_") for name in named), f"{family}: a marker that other files import"
        assert not [path for path, text in texts.items() if f'add_marker("{family}")' in text]


def test_what_is_named_slow_exists() -> None:
    assert [name for name in SLOW if not (ROOT / "tests" / name).exists()] == []


def test_ci_runs_every_target() -> None:
    text = (ROOT / ".ci/run").read_text()
    for target in selections().keys() - {"quick"}:
        assert re.search(rf"\bmake {target}$", text, re.MULTILINE), f".ci/run does not run make {target}"
