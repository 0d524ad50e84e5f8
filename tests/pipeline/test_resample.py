"""Resampled bars: correct days and one price basis per bucket, finished buckets final, the same by any refresh."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import exchange_calendars
import pandas as pd
import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import LakeError, UsageError
from stockstream.pipeline.generations import head
from stockstream.pipeline.intervals import every
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.resample import run as resample
from tests.analytics.test_cli import run_cli
from tests.pipeline.test_consolidate import fetch, row, table
from tests.pipeline.test_invariants import Row

US = MARKETS["US"]
DAYS = [session.date() for session in US.schedule(2024).loc["2023-06-01":].index[:150]]
Bar = tuple[Any, ...]


@pytest.fixture(autouse=True)
def _all_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo the suite's own setting, which saves time elsewhere."""
    monkeypatch.delenv("STOCKSTREAM_RESAMPLE")
    settings.cache_clear()


def bars(symbol: str, first: int, last: int) -> list[Row]:
    return [row(symbol, DAYS[at], 100.0 + (7 * at) % 11) for at in range(first, last)]


def refresh(lake: Lake, *intervals: str) -> None:
    consolidate({}, lake)
    resample({"intervals": list(intervals)}, lake)


@pytest.mark.parametrize("name", ["3d", "5d", "8d", "13d", "21d", "34d", "weekly", "monthly"])
def test_buckets_follow_the_exchanges_calendar(name: str, tmp_path: Path) -> None:
    """Compared with pandas on the calendar: sessions counted from the first one, ISO weeks, months."""
    lake = Lake(str(tmp_path))
    fetch(lake, 0, bars("AAA", 0, 150), through=DAYS[-1])
    consolidate({}, lake)
    resample({"intervals": [name]}, lake)

    sessions = exchange_calendars.get_calendar("XNYS", start="1950-01-01", end="2025-12-31").schedule.index
    number = pd.Series(range(len(sessions)), index=sessions)
    known = number.loc[str(DAYS[0]) : str(DAYS[-1])]
    keys = {
        "weekly": pd.Series(known.index.to_period("W"), index=known.index),
        "monthly": pd.Series(known.index.to_period("M"), index=known.index),
    }
    buckets = keys[name] if name in keys else known // int(name[:-1])
    frame = pd.DataFrame({"close": [100.0 + (7 * at) % 11 for at in range(150)], "bucket": buckets.to_numpy()})
    frame["date"] = DAYS
    expected = [
        (group["date"].min(), group["date"].max(), group["close"].iloc[0], group["close"].max(), group["close"].min(),
         group["close"].iloc[-1], 100 * len(group), len(group))
        for _, group in frame.groupby("bucket")
    ]  # fmt: skip
    stored = table(lake, f"SELECT first_date, date, open, high, low, close, volume, bars FROM bars_resampled('{name}')")
    assert stored == sorted(expected)


@pytest.mark.large
def test_a_finished_bucket_never_changes_and_the_open_one_is_marked(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    finished: dict[str, set[Bar]] = {"3d": set(), "34d": set(), "weekly": set()}
    seen_open = 0
    for number, last in enumerate(range(60, 150, 7)):
        fetch(lake, number, bars("AAA", 0 if number == 0 else last - 7, last), through=DAYS[last - 1])
        refresh(lake, *finished)
        for name, before in finished.items():
            now = table(lake, f"SELECT * FROM bars_resampled('{name}')")
            closed = {bar for bar in now if not bar[-1]}
            still_open = [bar for bar in now if bar[-1]]
            assert before <= closed
            assert len(still_open) <= 1
            assert all(bar[3] > DAYS[last - 1] for bar in still_open), "an open bucket ends after the newest day"
            seen_open += len(still_open)
            finished[name] = closed
    assert seen_open > 10
    assert head(lake).table("bars_34d").base, "nothing was kept: the test says nothing about what is kept"


def test_a_daily_run_writes_only_what_the_newest_days_touch(lake_uri: str) -> None:
    lake = Lake(lake_uri)
    fetch(lake, 0, [*bars("AAA", 0, 140), *bars("BBB", 0, 140)], through=DAYS[139])
    refresh(lake)
    kept = {name: table.base for name, table in head(lake).tables.items()}
    fetch(lake, 1, [*bars("AAA", 140, 141), *bars("BBB", 140, 141)], through=DAYS[140])
    consolidate({}, lake)
    made = resample({}, lake)["tables"]
    assert {name: table.base for name, table in head(lake).tables.items()} == kept
    assert not any(report["whole"] for report in made.values())
    assert made["bars_3d"]["rows"] < 2 * 28
    for name, n in (("3d", "3"), ("21d", "21"), ("weekly", "'week'")):
        assert table(lake, f"FROM bars_{name}") == table(lake, f"FROM resample('bars_split_adjusted', {n})")


def test_a_split_inside_a_bucket_is_in_one_basis(tmp_path: Path) -> None:
    """As traded: 100 before and 50 after a split of 2 for 1; the bucket and the past are in the new shares."""
    lake = Lake(str(tmp_path))
    fetch(lake, 0, [row("AAA", day, 100.0) for day in DAYS[:148]], through=DAYS[147])
    refresh(lake)
    fetch(lake, 1, [row("AAA", DAYS[148], 50.0, split=2.0), row("AAA", DAYS[149], 51.0)], through=DAYS[149])
    refresh(lake)
    for name in ("3d", "34d", "monthly"):
        prices = table(lake, f"SELECT open, high, low, close FROM bars_resampled('{name}') WHERE date < '{DAYS[149]}'")
        assert set(prices) == {(50.0, 50.0, 50.0, 50.0)}
        assert table(lake, f"SELECT sum(volume) FROM bars_resampled('{name}')") == [(148 * 200 + 2 * 100,)]
        last = table(lake, f"SELECT high, close FROM bars_resampled('{name}') WHERE date = '{DAYS[149]}'")
        assert last == [(51.0, 51.0)]


def test_days_that_are_no_sessions_belong_to_the_session_before(tmp_path: Path) -> None:
    """Vendors and calendars differ: Yahoo has had rows on Anzac Day."""
    lake = Lake(str(tmp_path))
    saturday = date(2023, 6, 10)
    fetch(lake, 0, [row("AAA", date(2023, 6, 9), 10.0), row("AAA", saturday, 12.0)], through=DAYS[149])
    refresh(lake)
    assert table(lake, "SELECT ends_on, date, close, bars FROM bars_weekly") == [(date(2023, 6, 9), saturday, 12.0, 2)]


def test_intervals_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(str(tmp_path))
    fetch(lake, 0, bars("AAA", 0, 150), through=DAYS[149])
    monkeypatch.setenv("STOCKSTREAM_RESAMPLE", '["2d", "55d"]')
    settings.cache_clear()
    refresh(lake)
    assert set(head(lake).tables) == {"bars", "bars_2d", "bars_55d"}
    assert table(lake, "FROM bars_resampled('55d')") == table(lake, "FROM resample('bars_split_adjusted', 55)")
    ran = run_cli("resample", "--lake", str(tmp_path), "--interval", "89d", "--json")
    assert (ran.code, '"bars_89d"' in ran.out) == (0, True)
    assert "up to date" in run_cli("resample", "--lake", str(tmp_path), "--interval", "89d").out
    assert table(lake, "SELECT count(*) FROM bars_3d") == [(0,)]


@pytest.mark.parametrize("name", ["3", "0d", "1d", "daily", "-3d", "3.5d", "9999d"])
def test_what_is_no_interval_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write 3d"):
        every(name)


def test_a_lake_without_a_calendar_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="stockstream run"):
        resample({}, Lake(str(tmp_path)))
