"""The table daily_ranges: after new days and a correction it is what a full computation gives."""

from __future__ import annotations

from pathlib import Path

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.daily_ranges import run
from tests.analytics.test_cli import run_cli
from tests.pipeline.test_consolidate import fetch, row, table

DAYS = [session.date() for session in MARKETS["US"].schedule(2024).loc["2023-01-01":].index[:120]]


def test_incremental_equals_full(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    for number, days in enumerate((DAYS[:100], DAYS[100:], DAYS[3:4])):
        close = 11.0 if number == 2 else 10.0
        fetch(lake, number, [row("AAA", day, close) for day in days], through=DAYS[-1])
        consolidate({}, lake)
        assert run({}, lake)["generation"]
    assert run({}, lake)["generation"] is None
    rows = table(lake, "SELECT * FROM daily_ranges")
    assert len(rows) == len(DAYS)
    run({"full": True}, lake)
    assert table(lake, "SELECT * FROM daily_ranges") == rows


def test_a_run_refreshes_it(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    ran = run_cli("demo", "--lake", lake)
    assert "daily_ranges generation" in ran.out
    assert run_cli("check", "--lake", lake).code == 0
