"""The ready-made indicators: the same by any refresh, after new days, late corrections and splits."""

from __future__ import annotations

import json
import math
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps import consolidate as consolidation
from stockstream.pipeline.steps import refresh_indicators as step
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.refresh_indicators import columns
from stockstream.pipeline.steps.refresh_indicators import run as refresh_indicators
from stockstream.sql.loader import load
from tests.analytics.test_cli import run_cli
from tests.pipeline.test_consolidate import fetch, row, table
from tests.pipeline.test_invariants import Row

DAYS = [session.date() for session in MARKETS["US"].schedule(2024).loc["2020-06-01":].index[:900]]


@pytest.fixture(autouse=True)
def _large_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep base when one of four symbols is restated."""
    monkeypatch.setattr(consolidation, "LARGEST_DELTA", 1.0)
    monkeypatch.setattr(consolidation, "LARGEST_RESTATED", 1.0)


def close(at: int, seed: int = 0) -> float:
    return round(100 + 30 * math.sin(at / 40 + seed) + 5 * math.sin(at / 3.1 + seed) + (at * 7919 + seed) % 13 / 10, 4)


def bars(symbol: str, first: int, last: int, every: int = 1) -> list[Row]:
    return [row(symbol, DAYS[at], close(at, ord(symbol[0]))) for at in range(first, last) if at % every == 0]


def lake_of(folder: Path) -> Lake:
    """Return a lake with a base: two ordinary symbols, one that is seldom traded, and a new one."""
    lake = Lake(str(folder))
    rows = [*bars("AAA", 0, 880), *bars("BBB", 0, 880), *bars("CCC", 0, 880, every=5), *bars("DDD", 800, 880)]
    fetch(lake, 0, rows, through=DAYS[879])
    consolidate({}, lake)
    assert refresh_indicators({}, lake)["whole"]
    return lake


def assert_as_full(lake: Lake, tmp_path: Path) -> None:
    """Compare with the indicators of the same lake computed from the beginning: relative tolerance 1e-9."""
    full = Lake(str(shutil.copytree(lake.uri, tmp_path / f"full-{head(lake).generation}")))
    assert refresh_indicators({"full": True}, full)["whole"]
    query = f"SELECT symbol, date, close, {', '.join(columns())} FROM indicators"
    found, expected = table(lake, query), table(full, query)
    assert [bar[:2] for bar in found] == [bar[:2] for bar in expected]
    for at, name in enumerate(columns(), start=3):
        size = 100 if name.startswith("macd") else 0
        for one, other in zip(found, expected, strict=True):
            assert (one[at] is None) == (other[at] is None), (name, one[:2])
            assert one[at] is None or math.isclose(one[at], other[at], rel_tol=1e-9, abs_tol=1e-9 * size), (
                name,
                one[:2],
            )


def refreshed(lake: Lake) -> dict[str, Any]:
    consolidate({}, lake)
    made = refresh_indicators({}, lake)
    assert refresh_indicators({}, lake)["generation"] is None, "there was nothing to do"
    return made


def test_new_days_are_computed_from_the_bars_before(lake_uri: str, tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake")
    base = head(lake).table("indicators").base
    for number, last in enumerate((881, 885), start=1):
        rows = [bar for of in ("AAA", "BBB", "DDD") for bar in bars(of, last - 5 if last > 881 else 880, last)]
        fetch(lake, number, [*rows, *bars("CCC", 876, last, every=5)], through=DAYS[last - 1])
        made = refreshed(lake)
        assert not made["whole"]
        assert made["rows"] < 400, "more was written than the newest days"
        assert_as_full(lake, tmp_path)
    assert head(lake).table("indicators").base == base
    assert table(lake, "SELECT date, rsi_14 FROM indicators WHERE symbol = 'CCC'")[-1][1] is not None


def test_a_late_correction_recomputes_its_symbol(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake")
    fetch(lake, 1, [row("AAA", DAYS[300], close(300, 65) * 1.5), *bars("AAA", 880, 881)], through=DAYS[880])
    query = "SELECT date, obv FROM indicators WHERE symbol = 'AAA'"
    before = table(lake, query)
    refreshed(lake)
    assert table(lake, query)[:880] != before
    assert head(lake).table("indicators").restated == ("AAA",)
    assert_as_full(lake, tmp_path)


def test_a_split_recomputes_its_symbol(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake")
    fetch(
        lake,
        1,
        [row("AAA", DAYS[880], close(880, 65) / 2, split=2.0), row("AAA", DAYS[881], close(881, 65) / 2)],
        through=DAYS[881],
    )
    refreshed(lake)
    sma = "SELECT date, sma_20 FROM indicators WHERE symbol = 'AAA' AND date IN (DATE '{}', DATE '{}')"
    one, other = (value for _, value in table(lake, sma.format(DAYS[879], DAYS[881])))
    assert one == pytest.approx(other, rel=0.2), "the split is in one of them only"
    assert_as_full(lake, tmp_path)


def test_another_version_of_an_indicator_computes_all_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = lake_of(tmp_path / "lake")
    files = step.TABLE.sql
    monkeypatch.setattr(step.ReadyMadeIndicators, "sql", property(lambda table: (*files, "views/gaps")))
    assert refresh_indicators({}, lake)["whole"]


def test_bars_without_high_and_low_keep_what_needs_none(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    lacking = [{**bar, "high": None, "low": None} if at == 50 else bar for at, bar in enumerate(bars("AAA", 0, 100))]
    fetch(lake, 0, [*lacking, *bars("BBB", 0, 100)], through=DAYS[99])
    consolidate({}, lake)
    refresh_indicators({}, lake)
    day = f"SELECT sma_20, atr_14 FROM indicators WHERE symbol = '{{}}' AND date = DATE '{DAYS[50]}'"
    assert table(lake, day.format("AAA")) == [(pytest.approx(sum(close(at, 65) for at in range(31, 51)) / 20), None)]
    assert table(lake, day.format("BBB"))[0][1] is not None


def test_signals_are_the_days_on_which_something_turns(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake")
    crossed = table(lake, "SELECT date FROM signals WHERE symbol = 'AAA' AND signal = 'golden_cross'")
    averages = table(lake, "SELECT date, sma_50 > sma_200 FROM indicators WHERE symbol = 'AAA'")
    assert crossed == [(day,) for (_, before), (day, above) in pairwise(averages) if above and before is False]
    assert crossed
    named = re.search(r"signal \((.*?)\)", load("views/signals").header["returns"])
    assert named is not None
    assert {signal for (signal,) in table(lake, "SELECT DISTINCT signal FROM signals")} == set(named[1].split(", "))


def test_refresh_on_the_command_line(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake")
    assert "up to date" in run_cli("indicators", "refresh", "--lake", lake.uri).out
    made = json.loads(run_cli("indicators", "refresh", "--full", "--json", "--lake", lake.uri).out)
    assert (made["whole"], made["rows"]) == (True, table(lake, "SELECT count(*) FROM bars")[0][0])
    empty = run_cli("indicators", "refresh", "--lake", str(tmp_path / "empty"))
    assert (empty.code, empty.out) == (2, "")
    assert "is no lake" in empty.err
