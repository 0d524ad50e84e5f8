"""Vacuum deletes what no reader can reach, by the store's clock, and nothing else, also during reads and writes."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID

from stockstream.pipeline.errors import LakeError, UsageError
from stockstream.pipeline.generation_history import history
from stockstream.pipeline.generations import generation, head
from stockstream.pipeline.lake import CURRENT, MANIFESTS, RAW, SILVER, Lake, manifest_key, parquet, silver_key
from stockstream.pipeline.manifest import Change, Manifest
from stockstream.pipeline.publishing import publish
from stockstream.pipeline.staging import upload
from stockstream.pipeline.steps import consolidate as consolidating
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.rollback import run as rollback
from stockstream.pipeline.steps.vacuum import run as vacuum
from stockstream.sql.session import LakeWarning, connect
from tests.analytics.test_cli import run_cli
from tests.pipeline.test_consolidate import BARS, DAYS, fetch, history_first, row, table

WEEK = timedelta(days=7)
RAW_ROWS = "SELECT symbol, date, close, fetch_timestamp, file, file_row FROM raw_bars"


def grow_older(uri: str, by: timedelta, only: str = "") -> None:
    """Make all objects of a store older, or only those whose key begins with `only`."""
    if uri.startswith("s3://"):
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        keys = get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].buckets[bucket].keys
        for name, key in keys.items():
            if name.startswith(f"{prefix}/{only}"):
                key.last_modified -= by
        return
    for path in Path(uri).rglob("*"):
        if path.is_file() and str(path.relative_to(uri)).startswith(only):
            then = path.stat().st_mtime_ns - int(by.total_seconds() * 1e9)
            os.utime(path, ns=(then, then))


def add(lake: Lake, number: int, consolidated: bool = True) -> None:
    """Store the batch file of one run, with one bar per symbol, and consolidate it."""
    rows = history_first if number == 0 else [row(s, DAYS[11 + number], 10.0 + number) for s in ("AAA", "BBB")]
    fetch(lake, number, rows)
    if consolidated:
        consolidate({}, lake)


@cache
def history_of(length: int) -> list[dict[str, bytes]]:
    """Make a lake once; return the objects that each of its generations has added."""
    with tempfile.TemporaryDirectory() as folder:
        lake, groups, seen = Lake(folder), [], set[str]()
        for number in range(length):
            add(lake, number)
            new = set(lake.store.list("")) - seen - {CURRENT}
            groups.append({key: read(lake, key) for key in sorted(new)})
            seen |= new
        return groups


def read(lake: Lake, key: str) -> bytes:
    stored = lake.store.get(key)
    assert stored is not None, key
    return stored.data


def generations(uri: str, ages: Sequence[float]) -> Lake:
    """Return a lake whose generations have these ages in days, the last one the newest."""
    lake = Lake(uri)
    for number, (age, following) in enumerate(zip(ages, [*ages[1:], 0], strict=True), start=1):
        for key, data in history_of(5)[number - 1].items():
            lake.store.put(key, data, replaces=None)
        if number == len(ages):
            lake.store.put(CURRENT, read(lake, manifest_key(number)), replaces=None)
        grow_older(uri, timedelta(days=age - following))
    return lake


def point(lake: Lake, number: int) -> None:
    """Set the pointer back to an earlier generation, as a writer that died leaves it."""
    lake.store.put(CURRENT, read(lake, manifest_key(number)), replaces=lake.store.get(CURRENT))


def content(lake: Lake, number: int | None = None) -> list[tuple[Any, ...]]:
    with connect(lake.uri, generation=number) as con:
        return con.sql(f"{BARS} ORDER BY ALL").fetchall()


def silver_files(lake: Lake) -> set[str]:
    return set(lake.store.list(SILVER))


def size(lake: Lake) -> int:
    return sum(listed.size for listed in lake.store.list(SILVER).values())


# What stays


@pytest.mark.parametrize(
    ("ages", "kept"),
    [
        ([20, 10, 8, 6, 1], [2, 3, 4, 5]),  # 3 was current a week ago, and its pointer may have lagged behind
        ([20, 10], [2]),
        ([6, 5], [1, 2]),
        ([8, 6], [1, 2]),
        ([30, 20, 10, 0.5], [2, 3, 4]),
    ],
)
def test_generations_within_the_retention_stay(ages: list[float], kept: list[int], tmp_path: Path) -> None:
    lake = generations(str(tmp_path), ages)
    before = {number: content(lake, number) for number in kept}
    result = vacuum({"delete": True}, lake)
    dropped = [number for number in range(1, len(ages) + 1) if number not in kept]
    assert result["manifests"] == dropped
    if result["generation"]:
        assert result["generation"] == len(ages) + 1
        kept = [*kept, len(ages) + 1]
    assert (result["kept"], [manifest.generation for manifest in history(lake)]) == (kept, kept[::-1])
    assert {number: content(lake, number) for number in before} == before
    named = {file.key for number in kept for t in generation(lake, number).tables.values() for file in t.files}
    assert silver_files(lake) == named


def test_a_dry_run_says_what_goes_and_changes_nothing(lake_uri: str) -> None:
    lake = generations(lake_uri, [30, 20, 10])
    before, bytes_before = lake.store.list(""), size(lake)
    said = vacuum({}, lake)
    assert lake.store.list("") == before
    assert (said["dry_run"], said["manifests"], said["kept"], said["generation"]) == (True, [1, 2], [3], None)
    done = vacuum({"delete": True}, lake)
    assert bytes_before - size(lake) == said["bytes"] > 0
    assert {**said, "dry_run": False, "kept": [3, 4], "generation": 4} == done
    assert vacuum({"delete": True}, lake)["generation"] is None, "nothing more can go, so nothing is published"


def test_readers_of_the_last_week_go_on_reading(lake_uri: str) -> None:
    """A reader of each generation, and one that follows a pointer which is one generation behind."""
    lake = generations(lake_uri, [30, 20, 10, 6, 1])
    point(lake, 4)
    readers = [connect(lake_uri), *(connect(lake_uri, generation=number) for number in (3, 4, 5))]
    before = [content(lake, number) for number in (5, 3, 4, 5)]  # the first has what is newer from the batch files
    assert vacuum({"delete": True}, lake)["manifests"] == [1]
    for con, rows in zip(readers, before, strict=True):
        with con:
            assert con.sql(f"{BARS} ORDER BY ALL").fetchall() == rows
    assert content(lake) == before[-1]


def test_a_pointer_that_was_moved_late_keeps_what_it_pointed_to(tmp_path: Path) -> None:
    """Both generations are old, but until an hour ago the pointer named the first one."""
    lake = generations(str(tmp_path), [20, 10])
    point(lake, 1)
    grow_older(lake.uri, timedelta(days=20), CURRENT)
    with lake.session() as con:
        rows = con.sql(f"{BARS} ORDER BY ALL").fetchall()
        assert head(lake).generation == 2
        assert vacuum({"delete": True}, lake)["manifests"] == []
        assert con.sql(f"{BARS} ORDER BY ALL").fetchall() == rows


def test_a_lost_pointer_is_found_again(lake_uri: str) -> None:
    lake = generations(lake_uri, [20, 10, 9])
    vacuum({"delete": True}, lake)
    bars = content(lake)
    lake.store.delete([CURRENT])
    add(lake, 3, consolidated=False)
    assert consolidate({}, lake)["generation"] == 5
    assert len(content(lake)) == len(bars) + 2


# Orphans


def test_files_of_crashed_runs_go_by_their_age(lake_uri: str) -> None:
    lake = generations(lake_uri, [20])
    old, young = silver_key("bars", 2, "delta", "0ld"), silver_key("bars", 2, "delta", "y0ung")
    lake.store.put(old, b"old", replaces=None)
    if not lake_uri.startswith("s3://"):
        for folder in ("symbols", "silver/bars_3d"):
            (Path(lake_uri) / folder).mkdir()
            (Path(lake_uri) / folder / ".aside-x").write_bytes(b"half")
    grow_older(lake_uri, WEEK + timedelta(minutes=1))
    lake.store.put(young, b"young", replaces=None)
    bars = content(lake)
    result = vacuum({"delete": True}, lake)
    assert (result["files"], result["orphans"]) == (0, 1 if lake_uri.startswith("s3://") else 3)
    assert silver_files(lake) & {old, young} == {young}
    assert lake.store.litter() == {}
    assert content(lake) == bars


def test_a_lake_without_a_generation_is_left_alone(tmp_path: Path) -> None:
    """Its manifests may be lost, and its silver may have the only bars."""
    lake = generations(str(tmp_path), [20])
    lake.store.delete([*lake.store.list(MANIFESTS), CURRENT])
    before = silver_files(lake)
    assert vacuum({"delete": True}, lake)["orphans"] == 0
    assert silver_files(lake) == before != set()


# Whoever writes meanwhile


def test_a_consolidation_slower_than_the_retention_is_made_again(
    lake_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file has existed for eight days without a manifest, and is deleted as an orphan."""
    lake = generations(lake_uri, [1])
    add(lake, 1, consolidated=False)
    results, orphans = [], []

    def slow(*arguments: Any) -> Any:
        files = upload(*arguments)
        if not results:
            grow_older(lake_uri, timedelta(days=8))
            orphans.extend(file.key for file in files)
            results.append(vacuum({"delete": True}, Lake(lake_uri)))
        return files

    monkeypatch.setattr(consolidating, "upload", slow)
    made = consolidate({}, lake)
    assert (results[0]["orphans"], results[0]["generation"], made["generation"]) == (1, 2, 3)
    assert orphans
    assert not silver_files(lake) & set(orphans)
    assert table(lake, "SELECT count(*) FROM silver_bars") == [(38,)]


def test_a_rollback_to_what_is_being_deleted_is_refused(lake_uri: str) -> None:
    """It has already read the old manifest when vacuum begins."""
    lake = generations(lake_uri, [30, 20, 10])
    bars, attempts = content(lake), []

    def make(before: Manifest) -> tuple[Change, None]:
        target = generation(lake, 1)
        attempts.append(before.generation)
        vacuum({"delete": True}, Lake(lake_uri))
        return Change(tables=target.tables), None

    with pytest.raises(UsageError, match=r"no generation 1: it has generations 3 to 4"):
        publish(lake, "rollback", make)
    assert attempts == [3]
    assert content(lake) == bars


def test_a_rollback_that_was_faster_keeps_its_files(lake_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = generations(lake_uri, [30, 20, 10])
    first, delete, done = content(lake, 1), type(lake.store).delete, []

    def after(*arguments: Any) -> None:
        delete(*arguments)
        if not done:  # the manifests are gone; a rollback that had read one before commits now
            done.append(publish(Lake(lake_uri), "rollback", lambda before: (restored, None)))

    restored = Change(tables=generation(lake, 1).tables, restores=1)
    monkeypatch.setattr(type(lake.store), "delete", after)
    vacuum({"delete": True}, lake)
    assert done[0].generation == 4
    assert content(lake, 4) == first


# Old batch files


@pytest.fixture
def old_lake(lake_uri: str) -> Lake:
    """Return a lake with consolidated batch files of 40, 35 and 10 days, and one of 40 days that is not."""
    lake = generations(lake_uri, [40, 35, 10])
    before = set(lake.store.list(RAW))
    add(lake, 3, consolidated=False)
    (key,) = set(lake.store.list(RAW)) - before
    grow_older(lake_uri, timedelta(days=40), key)
    return lake


def raw_names(lake: Lake) -> list[str]:
    return [key.removeprefix(f"{RAW}2024-02-12-batch-").removesuffix(".parquet") for key in lake.store.list(RAW)]


@pytest.mark.parametrize("mode", ["archive", pytest.param("remove", marks=pytest.mark.large)])
def test_old_batch_files_go_once_they_are_in_silver(mode: str, old_lake: Lake) -> None:
    lake, event = old_lake, {"raw": mode, "delete": True}
    bars, raw, listed = content(lake), table(lake, RAW_ROWS), lake.store.list(RAW)
    assert raw_names(lake) == ["0-part-1", "0", "1", "2"]
    said = vacuum({**event, "delete": False}, lake)["raw"]
    assert lake.store.list(RAW) == listed
    assert vacuum(event, lake)["raw"] == said
    assert raw_names(lake) == ["0-part-1", "2"]
    gone = [of for key, of in listed.items() if key not in lake.store.list(RAW)]
    assert (said["files"], said["bytes"]) == (2, sum(of.size for of in gone))
    assert content(lake) == bars
    left = [one for one in raw if mode == "archive" or one[4].removeprefix(f"{lake.uri}/") in lake.store.list(RAW)]
    assert table(lake, RAW_ROWS) == left
    assert vacuum(event, lake)["raw"]["files"] == 0
    consolidate({"full": True}, lake)
    assert (content(lake), table(lake, RAW_ROWS)) == (bars, left), "what is only in silver is lost"
    assert not {"2024-02-12-batch-1.parquet"} & set(head(lake).consolidated)


@pytest.mark.parametrize("mode", ["archive", pytest.param("remove", marks=pytest.mark.large)])
def test_a_name_of_a_file_that_is_gone_is_no_trap(mode: str, old_lake: Lake) -> None:
    """The manifest names it as consolidated, so that readers would skip a new file of that name."""
    lake = old_lake
    vacuum({"raw": mode, "delete": True}, lake)
    for close in (77.0, 78.0):  # as long as a manifest names it, and after that
        raw = table(lake, RAW_ROWS)
        fetch(lake, 1, [row("CCC", DAYS[14], close)])
        assert table(lake, "SELECT close FROM bars WHERE symbol = 'CCC' AND date = '2024-01-29'") == [(close,)]
        assert len(table(lake, RAW_ROWS)) == len(raw) + 1
        consolidate({}, lake)
        assert table(lake, "SELECT close FROM silver_bars WHERE symbol = 'CCC' AND date = '2024-01-29'") == [(close,)]


def test_archives_are_added_to(old_lake: Lake) -> None:
    lake, raw = old_lake, table(old_lake, RAW_ROWS)
    for files in (2, 2, 0):
        assert vacuum({"raw": "archive", "delete": True}, lake)["raw"]["files"] == files
        consolidate({}, lake)
        grow_older(lake.uri, timedelta(days=40))
    assert len(head(lake).table("raw").base) == 2
    assert table(lake, RAW_ROWS) == raw
    with lake.session() as con:
        found = con.sql(f"SELECT file FROM raw_bars WHERE symbol = 'AAA' AND date = '{DAYS[13]}'").fetchall()
        assert found == [(lake.store.uri(f"{RAW}2024-02-12-batch-2.parquet"),)]


def test_what_a_kept_generation_does_not_hold_stays(tmp_path: Path) -> None:
    """A file of 40 days was consolidated six days ago: a rollback to an earlier generation needs it."""
    lake = generations(str(tmp_path), [20])
    add(lake, 1, consolidated=False)
    grow_older(lake.uri, timedelta(days=40), f"{RAW}2024-02-12-batch-1")
    consolidate({}, lake)
    grow_older(lake.uri, timedelta(days=6))
    event = {"raw": "remove", "delete": True, "raw_older_than_days": 10}
    assert (vacuum(event, lake)["raw"]["files"], raw_names(lake)) == (1, ["1"])
    rollback({"generation": 1}, lake)
    grow_older(lake.uri, timedelta(days=100))
    assert head(lake).set_aside == ("2024-02-12-batch-1.parquet",)
    assert (vacuum(event, lake)["raw"]["files"], raw_names(lake)) == (0, ["1"])


def test_a_later_file_of_the_same_name_is_not_what_older_generations_hold(tmp_path: Path) -> None:
    """Generation 1 names a file that was removed; the present file of that name was consolidated in generation 4."""
    lake = generations(str(tmp_path), [8, 7])
    event = {"raw": "remove", "delete": True, "raw_older_than_days": 2, "retention_hours": 24 * 10}
    assert vacuum(event, lake)["raw"]["files"] == 1
    add(lake, 2)  # the name is free from here on
    fetch(lake, 3, [row("CCC", DAYS[14], 77.0)])
    assert consolidate({}, lake)["generation"] == 5
    assert head(lake).inputs == history(lake)[-1].inputs, "the test shows nothing: it is another name"
    grow_older(lake.uri, timedelta(days=3))
    assert vacuum(event, lake)["raw"]["files"] == 0
    rollback({"generation": 1}, lake)
    assert vacuum(event, lake)["raw"]["files"] == 0


@pytest.mark.parametrize("mode", ["archive", "remove"])
def test_files_that_are_not_whole_stay(mode: str, old_lake: Lake) -> None:
    """A file that cannot be read any more, and one with a row that is not a bar, and so is nowhere else."""
    lake = old_lake
    with lake.session() as con:
        odd = parquet(
            con, f"SELECT NULL AS symbol UNION ALL BY NAME FROM '{lake.store.uri(f'{RAW}2024-02-12-batch-1.parquet')}'"
        )
    for number, data in ((0, b"PAR1 no parquet"), (1, odd)):
        key = f"{RAW}2024-02-12-batch-{number}.parquet"
        lake.store.put(key, data, replaces=lake.store.get(key))
        grow_older(lake.uri, timedelta(days=35), key)
    with pytest.warns(LakeWarning, match="batch-0"):
        result = vacuum({"raw": mode, "delete": True, "raw_older_than_days": 10}, lake)
    assert (result["raw"]["files"], raw_names(lake)) == (1, ["0-part-1", "0", "1"])


def test_nothing_is_taken_that_silver_lacks(old_lake: Lake) -> None:
    lake = old_lake
    name = next(key for key in lake.store.list(RAW) if "part-1" in key).removeprefix(RAW)
    wrong = Change(tables={}, consolidated=(*head(lake).consolidated, name))
    publish(lake, "consolidate", lambda before: (wrong, None))
    grow_older(lake.uri, timedelta(days=40))
    before = lake.store.list(RAW)
    for mode in ("archive", "remove"):
        with pytest.raises(LakeError, match=rf"{name}.*AAA on {DAYS[14]} .*consolidate --full"):
            vacuum({"raw": mode, "delete": True}, lake)
    assert lake.store.list(RAW) == before


@pytest.mark.parametrize(
    "again", [pytest.param("archive", marks=pytest.mark.large), "remove", pytest.param("keep", marks=pytest.mark.large)]
)
def test_ended_before_archived_files_are_deleted_no_row_is_there_twice(
    again: str, old_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tests/faults kills real processes at every write."""
    lake, raw = old_lake, table(old_lake, RAW_ROWS)
    delete = type(lake.store).delete

    def ending(self: Any, keys: Iterable[str]) -> None:
        delete(self, (key for key in keys if key.startswith(MANIFESTS)))

    with monkeypatch.context() as patched:
        patched.setattr(type(lake.store), "delete", ending)
        vacuum({"raw": "archive", "delete": True}, lake)
    assert (len(head(lake).table("raw").base), len(raw_names(lake))) == (1, 4)
    assert table(lake, RAW_ROWS) == raw
    consolidate({"full": True}, lake)
    assert table(lake, RAW_ROWS) == raw
    result = vacuum({"raw": again, "delete": True, "raw_older_than_days": 30}, lake)
    assert result["raw"]["files"] == 2 * (again != "keep")
    assert table(lake, RAW_ROWS) == raw
    assert len(head(lake).table("raw").base) == 1


# The command


def test_the_command_says_what_would_go_and_does_it(tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [40, 35, 10])
    said = run_cli("vacuum", "--lake", lake.uri, "--raw", "archive")
    assert (said.code, said.err) == (0, "")
    assert "2 files of generations 1 to 2, 0 of crashed runs" in said.out
    assert "2 batch files, archived in silver/raw" in said.out
    assert said.out.endswith("kept       generations 3\nnothing was deleted: run it with --delete\n")
    done = run_cli("vacuum", "--lake", lake.uri, "--raw", "archive", "--raw-older-than", "36", "--delete", "--json")
    result = json.loads(done.out)
    assert (result["manifests"], result["kept"], result["raw"]["files"]) == ([1, 2], [3, 4], 1)
    assert run_cli("vacuum", "--lake", lake.uri).out.startswith(
        "silver     would free 0 bytes: 0 files of no generation"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--retention", "0h"], "less than an hour"),
        (["--retention", "0d", "--delete"], "less than an hour"),
        (["--retention", "soon"], "--retention soon: write days or hours, as 7d or 36h"),
    ],
)
def test_a_retention_that_hurts_readers_is_refused(arguments: list[str], words: str, tmp_path: Path) -> None:
    ran = run_cli("vacuum", "--lake", str(tmp_path), *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
