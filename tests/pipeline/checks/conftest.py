from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.consolidate import run as consolidate
from tests.sql.test_checks import DAYS, bar, store


@pytest.fixture
def small_lake(tmp_path: Path) -> Lake:
    """Return a lake of two symbols with one generation, and one bad row in a newer batch file."""
    lake = Lake(str(tmp_path / "small" / "lake"))
    lake.prepare(MARKETS["US"], date(2024, 1, 19))
    store(lake, [bar(symbol, day) for symbol in ("AAA", "BBB") for day in DAYS[:8]], "2024-01-19-batch-0")
    consolidate({}, lake)
    return lake
