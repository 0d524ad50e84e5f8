"""The example of a package that extends Stock Stream: built, installed beside our wheel, found and used.

Run by `make test-wheels`. `tests/sql/test_plugins.py` has what can be wrong with such a package.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wheels.test_wheels import Environment

pytestmark = pytest.mark.wheels

EXAMPLE = Path(__file__).parent / "acme"


def test_the_example_is_built_installed_and_found(wheel: str, tmp_path: Path) -> None:
    project = tmp_path / "acme"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(project)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = tmp_path.glob("acme_bars-*.whl")
    environment = Environment(tmp_path / "project")
    environment.pip("install", f"{wheel}[backtest,run]", str(built))
    stockstream = str(environment.bin / "stockstream")
    # The list of companies is the package's, too.
    days = ("--start", "2024-01-02", "--date", "2024-01-12")
    ran = environment.run(stockstream, "run", "--source", "acme", "--market", "US", *days, "--lake", "lake")
    assert "listings   2 companies (acme)" in ran
    assert "stored     18 rows" in ran
    assert "acme: of the package acme-bars 1.0" in " ".join(
        environment.run(stockstream, "run", "--help").replace("│", " ").split()
    )
    query = "SELECT max(acme_middle) AS m FROM acme_middle('bars', 3)"
    assert environment.run(stockstream, "query", query, "--lake", "lake", "--format", "csv").split() == ["m", "7.0"]
    assert "acme_middle" in environment.run(stockstream, "indicators", "list")
    assert "acme__no_volume" in environment.run(stockstream, "check", "--lake", "lake")
    assert "acme_up" in environment.run(stockstream, "alerts", "list")
    assert "EveryMonday" in environment.run(stockstream, "backtest", "--strategy", "EveryMonday", "--lake", "lake")

    environment.pip("uninstall", "acme-bars")
    assert "acme" not in environment.run(stockstream, "indicators", "list")
    assert "rsi" in environment.run(stockstream, "query", "SELECT * FROM rsi('bars', 3) LIMIT 1", "--lake", "lake")
