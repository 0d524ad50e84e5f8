"""The pointer and the manifests are verified before they are believed; damage stops only what needs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.pipeline.batch_names import batch_name, compact, expand
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.generation_history import history, remember
from stockstream.pipeline.generations import as_of, generation, head
from stockstream.pipeline.lake import CURRENT, HISTORY, MANIFESTS, Lake, manifest_key
from stockstream.pipeline.manifest import Change, DataFile, Manifest, Table
from stockstream.pipeline.sealing import seal
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.vacuum import run as vacuum
from stockstream.sql.session import connect
from tests.analytics.test_cli import run_cli
from tests.pipeline.test_consolidate import _short_tail
from tests.pipeline.test_vacuum import add, content, generations, grow_older, read
from tests.s3_server import S3Server

__all__ = ["_short_tail"]  # a fixture

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "{}": lambda data: b"{}",
    "generation 0": lambda data: b'{"format": 1, "generation": 0, "tables": {}, "consolidated": [], "set_aside": []}',
    "no object": lambda data: b"[1, 2]",
    "not UTF-8": lambda data: b"\xff\xfe" + data,
    "a flipped bit": lambda data: data[:-40] + bytes([data[-40] ^ 4]) + data[-39:],
    "without its checksum": lambda data: b"{" + data.split(b",", 1)[1],
}


def replace(lake: Lake, key: str, data: bytes) -> None:
    lake.store.put(key, data, replaces=lake.store.get(key))


def is_read_as(lake: Lake, number: int) -> bool:
    with connect(lake.uri) as con:
        return bool(con.sql("SELECT getvariable('manifest').generation").fetchall() == [(number,)])


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        *(pytest.param(damage, "folder", marks=pytest.mark.large) for damage in DAMAGE if damage != "half"),
        *((damage, "folder") for damage in ("half", "older", "gone")),
        *((d, "s3") for d in ("half", "older", "gone")),
    ],
)
def test_readers_and_writers_find_the_newest_generation(damage: str, where: str, s3: S3Server, tmp_path: Path) -> None:
    lake = generations(str(tmp_path) if where == "folder" else f"s3://{s3.new_bucket()}/lake", [2, 1])
    rows = content(lake)
    if damage == "gone":
        lake.store.delete([CURRENT])
    else:
        older = read(lake, manifest_key(1))
        replace(lake, CURRENT, older if damage == "older" else DAMAGE[damage](read(lake, CURRENT)))
    before = lake.store.list("")
    assert is_read_as(lake, 2)
    assert content(lake) == rows
    assert [entry.generation for entry in history(lake)] == [2, 1]
    assert vacuum({}, lake)["kept"] == [1, 2]
    changed = {key for key, listed in lake.store.list("").items() if before.get(key) != listed}
    assert changed <= {CURRENT, HISTORY}, "a reader changes nothing else"
    add(lake, 2)
    assert head(lake).generation == 3
    assert is_read_as(lake, 3)
    assert head(lake) == Manifest.from_json(read(lake, CURRENT))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_old_manifest_stops_nothing(damage: str, tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [30, 20, 10])
    replace(lake, manifest_key(1), DAMAGE[damage](read(lake, manifest_key(1))))
    grow_older(lake.uri, timedelta(days=30), manifest_key(1))
    lake.store.delete([HISTORY])
    assert [(entry.generation, bool(entry.problem)) for entry in history(lake)] == [(3, False), (2, False), (1, True)]
    ran = run_cli("history", "--lake", lake.uri)
    assert (ran.code, ran.out.count("stockstream repair")) == (3, 1)
    assert as_of(lake, "2") == 2
    assert as_of(lake, history(lake)[1].created_at) == 2
    with pytest.raises(LakeError, match="stockstream repair"):
        generation(lake, 1)
    assert vacuum({"delete": True}, lake)["manifests"] == [1, 2]
    assert content(lake)


def test_nothing_is_deleted_that_a_damaged_manifest_may_name(tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [30, 2, 1])
    silver = set(lake.store.list("silver/"))
    replace(lake, manifest_key(2), b"")
    result = vacuum({"delete": True, "raw": "remove", "raw_older_than_days": 0}, lake)
    assert (result["files"], result["raw"]["files"], set(lake.store.list("silver/"))) == (0, 0, silver)


def test_the_newest_manifest_is_read_from_its_copy(tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [2, 1])
    replace(lake, manifest_key(2), b"{}")
    assert (head(lake).generation, generation(lake, 2).generation) == (2, 2)
    assert is_read_as(lake, 2)
    add(lake, 2)
    assert head(lake).generation == 3


@pytest.mark.parametrize("pointer", ["older", "gone", "empty"])
def test_a_damaged_newest_manifest_is_named(pointer: str, lake_uri: str) -> None:
    lake = generations(lake_uri, [3, 2, 1])
    lake.store.delete([CURRENT])
    if pointer != "gone":
        lake.store.put(CURRENT, read(lake, manifest_key(2)) if pointer == "older" else b"", replaces=None)
    replace(lake, manifest_key(3), b"{}")
    before = lake.store.list("")
    for command in ("query 'FROM bars'", "consolidate", "status", "check"):
        words = [word.strip("'") for word in command.split(" ", 1)]
        ran = run_cli(*words, "--lake", lake_uri)
        assert (ran.code, ran.err.count("\n")) in ((1, 1), (4, 1)), (command, ran.err)
        assert "000003.json is damaged" in ran.err, command
        assert "stockstream repair" in ran.err, command
    assert lake.store.list("") == before


def test_a_lake_whose_manifests_are_gone_begins_no_second_history(tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [2, 1])
    lake.store.delete(list(lake.store.list(MANIFESTS)))
    add(lake, 2)
    assert head(lake).generation == 3
    replace(lake, CURRENT, b"{}")
    lake.store.delete(list(lake.store.list(MANIFESTS)))
    with pytest.raises(LakeError, match="stockstream repair"):
        consolidate({"full": True}, lake)
    with pytest.raises(LakeError, match="stockstream repair"):
        connect(lake.uri)


OUTSIDE = (
    "silver/../../pwn.parquet",
    "/etc/passwd",
    "silver/bars/../x.parquet",
    "raw-data/x.parquet",
    "silver\\bars\\x",
)


@pytest.mark.parametrize("key", OUTSIDE)
def test_a_key_that_leads_out_of_the_lake_is_refused(key: str, tmp_path: Path) -> None:
    lake = generations(str(tmp_path), [1])
    manifest = json.loads(read(lake, manifest_key(1)))
    del manifest["sha256"]
    bars = manifest["tables"]["bars"]
    (bars["base"] or bars["delta"])[0]["key"] = key
    for stored in (manifest_key(1), CURRENT):
        replace(lake, stored, seal(json.dumps(manifest).encode()))
    for command in (["consolidate"], ["vacuum", "--delete"], ["query", "FROM bars"], ["rollback", "1"]):
        ran = run_cli(*command, "--lake", lake.uri)
        assert (ran.code, ran.err.count("\n")) == (1, 1), (command, ran.err)
        assert "stockstream repair" in ran.err


NAMES = st.builds(
    lambda day, number, part: f"{date(2026, 1, 1) + timedelta(days=day)}{number}{part}.parquet",
    st.integers(0, 3),
    st.sampled_from(["", *(f"-batch-{number}" for number in range(14)), "-batch-007"]),
    st.sampled_from(["", "", "-part-1"]),
)


@given(st.sets(NAMES))
def test_names_survive_their_compact_form(names: set[str]) -> None:
    stored = json.loads(json.dumps(compact(tuple(names))))
    assert expand(stored) == tuple(sorted(names))
    assert expand(sorted(names)) == tuple(sorted(names))


@given(st.sets(NAMES, max_size=40))
@settings(deadline=None)
def test_sql_reads_the_same_names(names: set[str]) -> None:
    with connect("unused") as con:
        text = json.dumps(compact(names)).replace("'", "''")
        ((found,),) = con.execute(f"SELECT batch_names(CAST('{text}' AS JSON))").fetchall()
    assert sorted(found) == sorted(names)


@pytest.mark.parametrize(
    "stored", [{"days": {"2026-11-20": -1}}, {"days": {"2026-11-20": 10**9}}, ["../x.parquet"], [3]]
)
def test_names_that_cannot_be_are_refused(stored: object) -> None:
    with pytest.raises(ValueError, match="batch"):
        expand(stored)


def test_a_manifest_after_a_thousand_days_is_small() -> None:
    """23 batch files per day, two of them with a second part per week, eleven tables, 100 restated symbols."""
    days = [str(date(2023, 1, 2) + timedelta(days=number)) for number in range(1000)]
    names = [batch_name(day, number) for day in days for number in range(23)]
    names += [batch_name(day, 3).replace(".parquet", "-part-1.parquet") for day in days[::4]]
    file = DataFile(key="silver/bars/000001-base-01234567.parquet", rows=1, bytes=1, sha256="0" * 64, symbols=1)
    versions = {f"views/some_view_of_this_name_{number}": f"{number:016x}" for number in range(20)}
    table = Table(base=(file,) * 4, delta=(file,), restated=tuple(f"SYM{n}" for n in range(100)), sql=versions)
    tables = {f"table_{number}": table for number in range(11)}
    manifest = Manifest().next(Change(tables=tables, consolidated=tuple(names)), "run")
    assert len(manifest.to_json()) <= 64 * 1024
    assert set(Manifest.from_json(manifest.to_json()).consolidated) == set(names)


def test_history_is_one_object(s3: S3Server) -> None:
    lake = generations(f"s3://{s3.new_bucket()}/lake", [4, 3, 2, 1])
    add(lake, 4)
    for number in range(1, 5):  # those that the fixture copied are not in the cache
        assert generation(lake, number)
    lake.store.delete([HISTORY])
    for number in range(1, 6):
        remember(lake, generation(lake, number))
    with s3.counted() as requests:
        assert [entry.generation for entry in history(lake)] == [5, 4, 3, 2, 1]
    assert len(requests) <= 3
    replace(lake, manifest_key(2), b"{}")
    assert [entry.generation for entry in history(lake) if entry.problem] == [2]
    replace(lake, HISTORY, b"{")
    assert len(history(lake)) == 5


def test_vacuum_removes_generations_from_the_history(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for number in range(3):
        add(lake, number)
    assert {row["generation"] for row in json.loads(read(lake, HISTORY))["generations"]} == {1, 2, 3}
    grow_older(lake.uri, timedelta(days=20))
    vacuum({"delete": True}, lake)
    assert {row["generation"] for row in json.loads(read(lake, HISTORY))["generations"]} == {3, 4}
