"""Sources are discovered: each module of pipeline/sources/ declares all that the other parts need of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.handlers import fetch_batch
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.setting_fields import EnvironmentSettings
from stockstream.pipeline.sources import SUMMARIES, open_source, source_class

ROOT = Path(__file__).parents[2]
KINDS = [syntax.partition(":")[0] for syntax in SUMMARIES]
ASX = MARKETS["ASX"]


def test_every_module_of_the_folder_declares_itself_in_its_first_line() -> None:
    modules = {path.stem for path in (ROOT / "pipeline" / "sources").glob("*.py")} - {"__init__", "base"}
    assert set(KINDS) == modules
    assert all(SUMMARIES.values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_has_the_name_of_its_module_and_existing_markets(kind: str) -> None:
    source = source_class(kind)
    assert source.name == kind
    assert set(source.markets or ()) <= set(MARKETS)


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("data_source", [kind for kind in KINDS if source_class(kind).on_lambda]),
        ("market", list(MARKETS)),
    ],
)
def test_terraform_accepts_exactly_what_the_functions_accept(variable: str, names: list[str]) -> None:
    text = (ROOT / "terraform" / "variables.tf").read_text()
    match = re.search(rf"contains\(\[(.*)\], var\.{variable}\)", text)
    assert match
    assert sorted(re.findall(r'"(\w+)"', match[1])) == sorted(names)


def test_the_list_of_sources_needs_none_of_their_libraries() -> None:
    """Every `--help` shows the list."""
    code = (
        "import sys, stockstream.analytics.cli, stockstream.pipeline.sources\n"
        "print(sorted({'yfinance', 'pandas', 'requests', 'tenacity', 'bs4'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bloomberg", "no source bloomberg: there are alpaca, demo, eodhd, files:PATH, polygon, stooq, tiingo, yahoo"),
        ("yaho", "did you mean yahoo?"),
        ("base", "no source base"),
        ("polygon", "--source polygon has the US market only: use --market US"),
        ("demo", "--source demo has the US market only: use --market US"),
    ],
)
def test_a_source_that_does_not_fit_is_refused_with_the_next_step(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(name, ASX, settings())


def test_a_setting_of_a_source_is_checked_when_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_YAHOO_PAUSE", "-1")
    with pytest.raises(UsageError, match="STOCKSTREAM_YAHOO_PAUSE: Input should be greater than or equal to 0"):
        open_source("yahoo", ASX, settings())


def test_every_setting_of_a_source_is_in_the_readme() -> None:
    for kind in KINDS:
        source_class(kind)
    readme = (ROOT / "README.md").read_text()
    aliases = [name for kind in EnvironmentSettings.__subclasses__() for name in kind.variables()]
    assert "STOCKSTREAM_YAHOO_URL" in aliases
    for alias in aliases:
        assert alias in readme or f"…{alias.removeprefix('STOCKSTREAM_RETRY')}" in readme, alias


def test_a_function_loads_the_libraries_of_its_source_when_it_starts() -> None:
    code = "import sys, stockstream.pipeline.handlers.fetch_batch; print('yfinance' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout == "True\n"
    assert fetch_batch.handler
