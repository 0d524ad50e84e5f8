"""The types of the Python interface: mypy checks a script of a user's as it would in their editor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.large  # mypy reads all that the script imports
ROOT = Path(__file__).parents[2]
SCRIPT = """
import pandas as pd
from stockstream import analytics
from stockstream.analytics.backtest import BuyAndHold, Result, backtest

reveal_type(analytics.bars)
frame = analytics.bars("BHP,CBA", "2026-01-01", timeframe="weekly", adjustment="all", lake="lake")
reveal_type(frame)
reveal_type(analytics.wide(frame, "close"))
reveal_type(analytics.indicators("rsi_14", symbols="BHP", with_bars=True))
reveal_type(analytics.connect("lake"))
result = backtest(BuyAndHold(), df=frame)
reveal_type(result)
reveal_type(result.trades)
reveal_type(analytics.plot.candles(frame, overlays=["sma_20"], trades=result))
reveal_type(analytics.backtest.backtest)
reveal_type(result.plot("BHP").save("bhp.png"))
analytics.bars("BHP", adjustment="full")
analytics.bars("BHP", start=5)
analytics.candels("BHP")
"""
EXPECTED = (
    "def (symbols: typing.Sequence[str] | str | None",
    "DataFrame",
    "DataFrame",
    "DataFrame",
    "DuckDBPyConnection",
    "model.result.Result",
    "DataFrame",
    "plot.chart.Chart",
    "def (strategy: ",
    "pathlib.Path",
)
WRONG = (
    'Argument "adjustment" to "bars" has incompatible type "Literal[\'full\']"',
    'Argument "start" to "bars" has incompatible type "int"',
    'Module has no attribute "candels"',
)


def test_a_script_has_the_types_that_an_editor_completes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    configuration = tmp_path / "mypy.ini"
    configuration.write_text(
        f"[mypy]\nmypy_path = {ROOT / '.dev'}\nnamespace_packages = True\nexplicit_package_bases = True\n"
        "ignore_missing_imports = True\nfollow_imports = silent\n"
    )
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        str(configuration),
        "--cache-dir",
        str(tmp_path / "cache"),
    ]
    done = subprocess.run([*command, str(script)], cwd=tmp_path, capture_output=True, text=True)
    types = [line.partition('Revealed type is "')[2] for line in done.stdout.splitlines() if "Revealed type" in line]
    assert len(types) == len(EXPECTED), done.stdout
    for revealed, expected in zip(types, EXPECTED, strict=True):
        assert expected in revealed
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    for expected in WRONG:
        assert any(expected in line for line in errors), done.stdout
