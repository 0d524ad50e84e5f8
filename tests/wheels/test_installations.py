"""The smallest installation: how large it is, that it queries on each version of Python, and with `uvx`.

Run by `make test-wheels`. `tests/analytics/test_extras.py` has what a larger one is needed for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wheels.test_wheels import UV, Environment

pytestmark = pytest.mark.wheels

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.11", "3.12", "3.13")
MEGABYTES, DISTRIBUTIONS = 220, 25
QUERY = "SELECT symbol, count(*) AS bars, count(rsi) AS values FROM rsi('bars', 14) WHERE symbol = 'IBM' GROUP BY 1"


def interpreter(version: str) -> str:
    """Return the Python of a version; skip the test if this machine has none."""
    # Beside that of the tests, as pyenv has them, whose commands on the path need not work.
    beside = [str(path) for path in Path(sys.base_prefix).parent.glob(f"*/bin/python{version}")]
    for command in [*beside, f"python{version}"]:
        if shutil.which(command) and not subprocess.run([command, "-c", ""], capture_output=True).returncode:
            return command
    pytest.skip(f"there is no Python {version} here")


def assert_rows(text: str) -> None:
    (row,) = json.loads(text)
    assert row["symbol"] == "IBM"
    assert row["bars"] > row["values"] > 3000


@pytest.mark.parametrize("version", VERSIONS)
def test_it_queries_on_each_version_of_python(version: str, wheel: str, demo_lake: str, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "project", interpreter(version))
    environment.pip("install", wheel)
    stockstream = str(environment.bin / "stockstream")
    assert_rows(environment.run(stockstream, "query", QUERY, "--lake", demo_lake, "--format", "json"))
    assert "IBM" in environment.run(stockstream, "shell", "--lake", demo_lake, "--", "-csv", "-c", QUERY)
    python = f"from stockstream import analytics as a; print(len(a.connect({demo_lake!r}).sql('FROM bars').fetchall()))"
    assert int(environment.run(str(environment.bin / "python"), "-c", python)) > 10_000
    listing = (str(UV), "pip", "list", "--format", "json", "--python", str(environment.bin / "python"))
    listed = json.loads(environment.run(*listing))
    assert len(listed) <= DISTRIBUTIONS
    size = sum(path.stat().st_size for path in (tmp_path / "project/venv").rglob("*") if path.is_file())
    assert size <= MEGABYTES * 2**20


def test_it_runs_without_being_installed(wheel: str, demo_lake: str, tmp_path: Path) -> None:
    command = [UV, "tool", "run", "--quiet", "--from", wheel, "stockstream", "query", QUERY, "--lake", demo_lake]
    environment = os.environ | {"UV_TOOL_DIR": str(tmp_path)}
    done = subprocess.run([*command, "--format", "json"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_rows(done.stdout)


def test_the_next_python_has_a_wheel_of_everything(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [UV, "pip", "compile", "--quiet", "--no-header", "--only-binary", ":all:", "--python-version", "3.14"]
    done = subprocess.run(
        [*command, "--extra", "all", str(tmp_path / "pyproject.toml")], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert {line.partition("==")[0] for line in done.stdout.splitlines()} > {"duckdb", "yfinance", "skfolio"}


def test_the_demo_is_installed_with_few_packages() -> None:
    """`make demo` installs its own lock file, whose versions are those that are tested."""
    locks = {name: set(locked(f"requirements{name}.lock")) for name in ("", "-demo", "-benchmarks", "-spark")}
    assert {name.partition("==")[0] for name in locks["-spark"] - locks[""]} == {"pyspark", "py4j"}
    assert locks["-demo"] < locks[""] < locks["-benchmarks"]
    assert len({name.partition("==")[0] for name in locks["-demo"]}) < 60


def locked(name: str) -> list[str]:
    """Return the pinned versions of a lock file."""
    return [line.split()[0] for line in (ROOT / name).read_text().splitlines() if line[:1].isalpha()]
