"""`stockstream status --max-age --missing`: exit codes at the limits; weekends and holidays are no age."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from tests.analytics.test_cli import CSV, _empty_folder, assert_one_error, run_cli

__all__ = ["_empty_folder"]  # a fixture

MONDAY = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
"""When the bars of 2026-11-23 became final: half an hour after the close at 16:00 in Sydney."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a lake through Friday, 2026-11-20, of which one of three symbols lacks that day."""
    folder = tmp_path_factory.mktemp("limits")
    text = CSV.replace("2026-11-16", "2026-11-19").replace("2026-11-17", "2026-11-20")
    (folder / "bars.csv").write_text(text + "XRO,2026-11-19,90,91,89,90.5,700\n")
    with time_machine.travel(MONDAY - timedelta(hours=1)):
        ran = run_cli("run", "--source", f"files:{folder / 'bars.csv'}", "--lake", str(folder / "lake"))
    assert ran.code == 0, ran
    return str(folder / "lake")


@pytest.mark.parametrize(
    ("now", "age", "code"),
    [
        (MONDAY - timedelta(seconds=1), "0h", 0),  # a weekend is no age
        (MONDAY + timedelta(days=2), "2d", 0),
        (MONDAY + timedelta(days=2, seconds=1), "2d", 1),
        (MONDAY + timedelta(days=2, seconds=1), "49h", 0),
        (MONDAY + timedelta(days=500), "499d", 1),  # after the end of the lake's calendar
    ],
)
def test_the_age_counts_from_the_end_of_a_session_that_is_lacking(
    now: datetime, age: str, code: int, lake: str
) -> None:
    with time_machine.travel(now, tick=False):
        ran = run_cli("status", "--lake", lake, "--max-age", age, "--json")
    assert ran.code == code, ran
    answer = json.loads(ran.out)
    assert answer["last_date"] == "2026-11-20"
    assert answer["lacking_since"] == (None if now < MONDAY else "2026-11-23 05:30:00+00:00")
    assert [line.split(":")[0] for line in answer["exceeded"]] == [f"--max-age {age}"] * code


@pytest.mark.parametrize(("percent", "code"), [("33.3%", 1), ("33.4 %", 0), ("0%", 1), ("100%", 0)])
def test_symbols_without_the_newest_session_are_counted(percent: str, code: int, lake: str) -> None:
    ran = run_cli("status", "--lake", lake, "--missing", percent)
    assert ran.code == code, ran
    line = f"exceeded    --missing {percent}: 1 of 3 symbols (33.33 %) have no bar of 2026-11-20"
    assert (line in ran.out) == bool(code)
    assert (f"within      --missing {percent}" in ran.out) != bool(code)
    answer = json.loads(run_cli("status", "--lake", lake, "--json").out)
    assert (answer["missing"], answer["expected"], answer["exceeded"]) == (1, 3, [])


def test_a_lake_without_bars_or_market_exceeds_every_limit(tmp_path: Path) -> None:
    (tmp_path / "prepared" / "state").mkdir(parents=True)
    (tmp_path / "prepared" / "state" / "lake.json").write_text('{"market": "ASX"}')
    ran = run_cli("status", "--lake", str(tmp_path / "prepared"), "--max-age", "2d", "--missing", "5%")
    assert (ran.code, ran.err) == (1, "")
    assert "exceeded    --max-age 2d and --missing 5%: the lake holds no bars: `stockstream run`" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-age", "2"], "--max-age 2: write days or hours"),
        (["--max-age", "٢d"], "write days or hours"),
        (["--missing", "5"], "--missing 5: write a percentage, as 5%"),
        (["--missing", "101%"], "write a percentage"),
    ],
)
def test_a_limit_that_is_none(arguments: list[str], words: str, lake: str) -> None:
    assert_one_error(run_cli("status", "--lake", lake, *arguments), 2, words)
