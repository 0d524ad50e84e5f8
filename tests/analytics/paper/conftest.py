from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stockstream.pipeline.lake import Lake
from tests.analytics.paper.published import DAYS, publish, rows


@pytest.fixture(scope="session")
def first_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with one generation, of 30 sessions."""
    folder = tmp_path_factory.mktemp("first")
    publish(Lake(str(folder / "lake")), folder, rows(DAYS[29]), DAYS[29])
    return folder / "lake"


@pytest.fixture
def lake(first_lake: Path, tmp_path: Path) -> Lake:
    shutil.copytree(first_lake, tmp_path / "lake")
    return Lake(str(tmp_path / "lake"))
