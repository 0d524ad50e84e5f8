"""Base in tiers: rows of delta become files of base, and every table is the same as one that is made in one go."""

from __future__ import annotations

import shutil
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.pipeline import buckets, tiers
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.steps import consolidate as module
from stockstream.pipeline.steps.check import run as check
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.refresh_indicators import run as refresh_indicators
from stockstream.pipeline.steps.resample import run as resample
from stockstream.pipeline.verification import damaged
from tests.pipeline.test_consolidate import NUMBERED, STORED_NUMBERS, fetch, row, table
from tests.pipeline.test_invariants import Row

DAYS = [session.date() for session in MARKETS["US"].schedule(2024).loc["2023-06-01":].index[:120]]
SYMBOLS = ["AAA", "BBB", "CCC", "DDD", "EEE"]
FIRST = 40
"""Days of the first run; those after it come one by one."""
INTERVALS = ["3d", "weekly"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make tiers after a few days, and a bucket of each symbol or two."""
    for name, value in {"TAIL": 4, "OPEN": 2, "LARGEST_DELTA": 0.05, "LARGEST_RESTATED": 1.0}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(buckets, "ROWS", 120)


def bars(first: int, last: int, *symbols: str) -> list[Row]:
    return [
        row(symbol, DAYS[at], 50.0 + (7 * at + 3 * ord(symbol[0])) % 23)
        for symbol in symbols or SYMBOLS
        for at in range(first, last)
    ]


def refresh(lake: Lake) -> dict[str, Any]:
    result = consolidate({}, lake)
    resample({"intervals": INTERVALS}, lake)
    refresh_indicators({}, lake)
    return dict(result)


def of(lake: Lake) -> dict[str, list[Any]]:
    """Return the rows of every table; of the indicators those whose sums do not depend on the order of additions."""
    assert table(lake, STORED_NUMBERS) == table(lake, NUMBERED)
    queries = [
        "FROM bars_adjusted",
        "FROM silver_bars",
        "SELECT symbol, date, close, sma_20, donchian_upper FROM indicators",
    ]
    return {query: table(lake, query) for query in [*queries, *(f"FROM bars_resampled('{i}')" for i in INTERVALS)]}


def rows_of(day: int) -> list[Row]:
    """Return what the source answers on a day: late corrections into a tier's days, a split, a symbol that is new."""
    rows = bars(day, day + 1)
    if day == 54:
        rows.append(row("BBB", DAYS[47], 99.0))
    if day == 57:
        rows += [row("CCC", DAYS[day], 25.0, split=2.0)]
        rows.remove(bars(day, day + 1, "CCC")[0])
    if day == 60:
        rows += bars(30, 61, "NEW")
    return rows


@pytest.mark.large
def test_a_lake_of_many_days_equals_one_made_in_one_go(tmp_path: Path) -> None:
    daily, once = Lake(str(tmp_path / "daily")), Lake(str(tmp_path / "once"))
    fetch(daily, 0, bars(0, FIRST), through=DAYS[FIRST - 1])
    refresh(daily)
    first, made, tiers_seen = head(daily).table("bars").base[0], [], []
    for day in range(FIRST, FIRST + 23):
        fetch(daily, day, rows_of(day), through=DAYS[day])
        result = consolidate({}, daily)
        if day % 3 == 0:  # a derived table does not see every tier
            resample({"intervals": INTERVALS}, daily)
            made.append(refresh_indicators({}, daily).get("whole"))
        base = head(daily).table("bars").base
        tiers_seen.append(len(base) - 1)
        assert not result["compacted"]
        assert base[0] == first
    refresh(daily)
    assert max(tiers_seen) == tiers.MAX_TIERS
    assert tiers_seen != sorted(tiers_seen), "no tiers were merged"
    assert not any(made), "a tier of the bars made the whole table of indicators be computed"
    names = ("bars", "indicators", "bars_3d", "bars_weekly")
    for table_ in (head(daily).table(name) for name in names):
        assert not table_.made_from.keys() & table_.sql.keys(), "the SQL versions are in the manifest twice"
        assert 2 <= len(table_.base) <= 1 + tiers.MAX_TIERS
        days = [(file.first_date, file.last_date) for file in table_.base]
        assert all(first < last for (_, first), (last, _) in pairwise(days)), "days overlap"

    shutil.copytree(Path(daily.uri, "raw-data"), Path(once.uri, "raw-data"))
    once.prepare(MARKETS["US"], date(2024, 2, 1))
    refresh(once)
    assert of(daily) == of(once)
    with daily.session() as con:
        assert con.sql("SELECT count(*) = count(DISTINCT (symbol, date)) FROM silver_bars").fetchall() == [(True,)]
    assert check({}, daily)["failed"] == []


def sealed(folder: Path) -> Lake:
    """Return a lake with a tier in every table, whose next day makes another one."""
    lake = Lake(str(folder))
    fetch(lake, 0, bars(0, FIRST), through=DAYS[FIRST - 1])
    refresh(lake)
    fetch(lake, 1, bars(FIRST, FIRST + 6), through=DAYS[FIRST + 5])
    assert refresh(lake)["sealed"]
    return lake


def flip(lake: Lake, key: str) -> None:
    """Change the last byte of a file's data, before its footer."""
    path = Path(lake.uri, key)
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", ["flipped", pytest.param("another price", marks=pytest.mark.large)])
def test_a_damaged_file_is_not_written_again(damage: str, tmp_path: Path) -> None:
    """Whether it cannot be read, or reads as another price."""
    lake = sealed(tmp_path)
    delta = head(lake).table("bars").delta[0]
    fetch(lake, 2, bars(FIRST + 6, FIRST + 7), through=DAYS[FIRST + 6])
    if damage == "flipped":
        flip(lake, delta.key)
        with pytest.raises(LakeError, match=rf"{delta.key}: it is damaged: .*stockstream repair"):
            fetch(lake, 3, bars(FIRST + 6, FIRST + 7), through=DAYS[FIRST + 6])
    else:
        plant(lake, delta.key, DAYS[FIRST + 5], 5000.0)
    with pytest.raises(LakeError, match=rf"{delta.key}.* is damaged.*stockstream repair"):
        consolidate({}, lake)
    (reason,) = damaged(lake, [delta]).values()
    assert consolidate({"full": True}, lake)["damaged"] == [f"{lake.store.uri(delta.key)}: {reason}"]
    assert consolidate({}, lake)["generation"] is None


def plant(lake: Lake, key: str, day: date, value: float) -> None:
    """Replace a price in a file, as flipped bits do, without an error of the reader."""
    path = Path(lake.uri, key)
    with duckdb.connect() as con:
        changed = f"* REPLACE (CASE WHEN symbol = 'AAA' AND date = DATE '{day}' THEN {value} ELSE close END AS close)"
        con.sql(f"SELECT {changed} FROM '{path}' ORDER BY symbol, date").to_parquet(f"{path}.new")
    Path(f"{path}.new").rename(path)


@pytest.mark.parametrize(
    "value", [pytest.param(0.5, id="smaller"), pytest.param(5000.0, id="larger", marks=pytest.mark.large)]
)
def test_full_heals_a_wrong_price_from_raw(value: float, tmp_path: Path) -> None:
    lake = sealed(tmp_path)
    before = table(lake, "FROM bars")
    key = head(lake).table("bars").base[0].key
    plant(lake, key, DAYS[3], value)
    assert table(lake, "FROM bars") != before
    assert [one["check"] for one in check({}, lake)["failed"]].count("bars__silver_against_raw") == 1
    assert consolidate({"full": True}, lake)["damaged"][0].startswith(lake.store.uri(key))
    assert table(lake, "FROM bars") == before
    assert check({}, lake)["failed"] == []


@pytest.mark.large
def test_everything_can_be_made_again_without_the_files_of_silver(tmp_path: Path) -> None:
    lake = sealed(tmp_path)
    before = of(lake)
    shutil.rmtree(Path(lake.uri, "silver"))
    assert len(consolidate({"full": True}, lake)["damaged"]) == 3
    resample({"intervals": INTERVALS}, lake)
    assert refresh_indicators({"full": True}, lake)["whole"]
    assert of(lake) == before
    for name in ("indicators", "bars_3d"):
        Path(lake.uri, head(lake).table(name).delta[0].key).unlink()
    assert set(resample({"intervals": INTERVALS}, lake)["tables"]) == {"bars_3d"}
    assert refresh_indicators({}, lake)["whole"], "its files are gone, although its inputs are the same"
    assert of(lake) == before


def test_full_keeps_what_only_silver_has(tmp_path: Path) -> None:
    """The batch file of the first run was removed; a later fetch of one of its days is in another file."""
    lake = sealed(tmp_path)
    fetch(lake, 2, [row("AAA", DAYS[5], 77.0)], through=DAYS[FIRST + 5])
    consolidate({}, lake)
    before = table(lake, "FROM bars")
    files = sorted(Path(lake.uri, "raw-data").iterdir(), key=lambda path: path.stat().st_size)
    files[-1].unlink()
    assert consolidate({"full": True}, lake)["damaged"] == []
    assert table(lake, "FROM bars") == before
    files[0].unlink()  # the correction: only silver has the newest version now
    consolidate({"full": True}, lake)
    assert table(lake, "FROM bars") == before
