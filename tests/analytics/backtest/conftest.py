"""Lakes that the tests of several modules share, each built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analytics.backtest._command import MINE, write_small_lake


@pytest.fixture(scope="session")
def demo(demo_lake: str) -> str:
    """Return a lake of the demo's bars: five symbols as traded, with three splits and 92 dividends."""
    return demo_lake


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a lake of 60 sessions of AAA and BBB."""
    return write_small_lake(str(tmp_path_factory.mktemp("lake")))


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the file of a user's strategy with a module beside it; the working directory is another, empty folder."""
    (tmp_path / "cwd").mkdir()
    (tmp_path / f"helper_{tmp_path.name}.py").write_text("SIZE = 3\n")
    (tmp_path / "mine.py").write_text(MINE.replace("{n}", tmp_path.name))
    monkeypatch.chdir(tmp_path / "cwd")
    return str(tmp_path / "mine.py")
