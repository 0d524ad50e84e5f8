"""Each benchmark runs and prints its figures; the tests do not check speed."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BENCHMARKS = sorted(path.stem for path in HERE.glob("[!_]*.py") if not path.stem.startswith("test_"))


@pytest.mark.benchmarks
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.e2e) if name == "deploy" else name for name in BENCHMARKS],  # builds packages
)
def test_prints_its_figures_as_json(name: str) -> None:
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", "--quick", "--json"]
    result = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=900, check=False)
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures
    for figure in figures:
        assert list(figure) == ["name", "value", "unit", "goal", "holds"]
        assert figure["name"]
        assert figure["unit"]
        assert math.isfinite(figure["value"])
        assert figure["value"] >= 0
        if figure["goal"] is None:
            assert figure["holds"] is None
        else:
            assert math.isfinite(figure["goal"])
            assert isinstance(figure["holds"], bool)
    names = [(figure["name"], figure["unit"]) for figure in figures]
    assert len(set(names)) == len(names)
