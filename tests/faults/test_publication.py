"""A run publishes its tables as one generation; what cannot be computed stays as it was, and is called stale."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.derived import DerivedTable
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.generations import head, history
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps import refresh
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.refresh_indicators import ReadyMadeIndicators
from stockstream.pipeline.steps.vacuum import run as vacuum
from tests.analytics.test_cli import run_cli
from tests.faults._lake import FIRST, INTERVAL, SECOND, content, copy, litter, objects, write_csv
from tests.faults.conftest import Prepare
from tests.s3_server import S3Server

TABLES = {"metadata", "bars", "bars_3d", "indicators", "carried"}


@pytest.fixture(autouse=True)
def _one_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_RESAMPLE", json.dumps([INTERVAL]))
    settings.cache_clear()


@pytest.fixture
def lake(states: dict[str, str], tmp_path: Path, s3_server: S3Server) -> Lake:
    """Return a lake with one day published, and the batch files and the list of companies of a second day."""
    return Lake(copy(states["fetched"], str(tmp_path / "lake"), s3_server))


def new_tables(lake: Lake) -> set[str]:
    """Return the tables that the newest generation has written."""
    newest = head(lake)
    return {name for name, table in newest.tables.items() if table.generation == newest.generation}


def test_one_generation_has_the_tables_that_the_steps_publish_one_after_the_other(
    prepare: Prepare, states: dict[str, str]
) -> None:
    lake = Lake(prepare("fetched", "lake"))
    before = head(lake).generation
    result = refresh.run({}, lake)
    assert (result["generation"], result["failed"], result["stale"]) == (before + 1, {}, [])
    newest = head(lake)
    assert (newest.generation, newest.parent, newest.step) == (before + 1, before, "run")
    assert newest.inputs == (f"{SECOND}-batch-0.parquet", f"{SECOND}-batch-1.parquet")
    assert (newest.tables.keys(), new_tables(lake)) == (TABLES, TABLES)
    assert all(
        f"/{newest.generation:06d}-delta-" in table.delta[0].key for table in newest.tables.values() if table.delta
    )
    assert {part["generation"] for part in result["parts"].values()} == {before + 1}
    assert content(lake.uri) == content(states["published"])
    again = refresh.run({}, lake)
    assert (again["generation"], head(lake).generation) == (None, before + 1)
    assert {part["generation"] for part in again["parts"].values()} == {None}


def test_a_table_that_fails_stays_as_it_was_until_a_run_succeeds(
    lake: Lake, states: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = head(lake)

    def fail(*_: Any) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: as injected")

    with monkeypatch.context() as patched:
        patched.setattr(ReadyMadeIndicators, "compute", fail)
        source = f"files:{write_csv(tmp_path, SECOND)}"
        options = ("--market", "US", "--source", source, "--date", str(SECOND), "--accept-smaller", "--json")
        ran = run_cli("run", "--lake", lake.uri, *options)
    result = json.loads(ran.out)
    assert (ran.code, result["status"], result["stale"]) == (1, "failed", ["indicators"])
    assert result["generation"] == before.generation + 1
    assert result["refused"].startswith("indicators: ")
    assert "as injected" in result["refused"]
    assert result["check"]["failed"] == [], "the data checks run on what was published"
    assert head(lake).table("indicators") == before.table("indicators")
    assert new_tables(lake) == TABLES - {"indicators"}
    with lake.session() as con:
        assert con.sql("SELECT max(date) FROM silver_bars").fetchall() == [(SECOND,)]
        assert con.sql("SELECT max(date) FROM indicators").fetchall() == [(FIRST,)]
        assert con.sql("SELECT name FROM stale_tables()").fetchall() == [("indicators",)]
    assert "stale       indicators: it was computed from earlier bars" in run_cli("status", "--lake", lake.uri).out
    (stale,) = json.loads(run_cli("status", "--lake", lake.uri, "--json").out)["stale_tables"]
    assert stale["name"] == "indicators"

    assert refresh.run({}, lake)["stale"] == []
    assert (head(lake).generation, new_tables(lake)) == (before.generation + 2, {"indicators"})
    assert "stale" not in run_cli("status", "--lake", lake.uri).out
    assert content(lake.uri, "indicators") == content(states["published"], "indicators")


def test_one_interval_that_fails_leaves_the_others(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is where the folder of the table should be."""
    monkeypatch.setenv("STOCKSTREAM_RESAMPLE", '["3d", "5d"]')
    settings.cache_clear()
    Path(lake.uri, "silver/bars_5d").write_text("in the way")
    result = refresh.run({}, lake)
    assert (result["failed"].keys(), result["parts"]["resample"]["failed"].keys()) == ({"bars_5d"}, {"bars_5d"})
    assert new_tables(lake) == TABLES
    ran = run_cli("resample", "--lake", lake.uri, "--interval", "5d", "--interval", "8d")
    assert (ran.code, new_tables(lake)) == (1, {"bars_8d"})
    assert "bars_5d stays as it was: " in ran.err


def test_an_error_in_a_table_s_own_program_is_reported_too(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With its trace in the log, as it is a mistake of ours."""
    monkeypatch.setattr(DerivedTable, "compute", lambda *_: 1 / 0)
    failed = refresh.run({}, lake)["failed"]
    assert failed == dict.fromkeys(("bars_3d", "indicators"), "ZeroDivisionError: division by zero")
    assert new_tables(lake) == TABLES - failed.keys()
    assert "Traceback" in caplog.text


def test_bars_that_fail_a_check_stay_and_the_metadata_is_published(lake: Lake) -> None:
    (original,) = Path(lake.uri, "raw-data").glob(f"{SECOND}-batch-0.parquet")
    with duckdb.connect() as con:
        rows = f"SELECT * REPLACE (CAST(low AS DECIMAL(9, 3)) AS low) FROM '{original}'"
        con.execute(f"COPY ({rows}) TO '{lake.uri}/raw-data/{SECOND}-batch-7.parquet' (FORMAT parquet)")
    result = refresh.run({}, lake)
    assert result["failed"].keys() == {"consolidate"}
    assert result["failed"]["consolidate"].startswith("nothing was published, as files__schema finds")
    assert new_tables(lake) == {"metadata"}


@pytest.mark.parametrize("other", ["consolidate", pytest.param("vacuum", marks=pytest.mark.faults)])
def test_another_writer_in_the_middle(other: str, lake: Lake, states: dict[str, str]) -> None:
    """The run begins again with the generation of the other writer."""
    before = head(lake).generation
    orphan = Path(lake.uri, "silver/bars/000001-delta-0badf00d.parquet")
    orphan.write_bytes(b"of a writer that was killed")
    os.utime(orphan, (time.time() - 40 * 86400,) * 2)
    writers: dict[str, Callable[[], Any]] = {
        "consolidate": lambda: consolidate({}, lake),
        "vacuum": lambda: vacuum({"delete": True}, lake),
    }
    started: list[str] = []

    def on_part(name: str) -> None:
        started.append(name)
        if started.count("indicators") == 1 and name == "indicators":
            assert writers[other]()["generation"] == before + 1

    result = refresh.run({}, lake, on_part)
    assert (result["generation"], result["stale"], started.count("metadata")) == (before + 2, [], 2)
    assert [manifest.step for manifest in history(lake)][:2] == ["run", other]
    assert content(lake.uri) == content(states["published"])


@pytest.mark.parametrize("place", ["folder", pytest.param("s3", marks=pytest.mark.faults)])
def test_a_run_that_dies_in_the_middle_leaves_only_orphans(
    place: str, states: dict[str, str], tmp_path: Path, s3: S3Server
) -> None:
    lake = Lake(
        copy(states["fetched"], str(tmp_path / "lake") if place == "folder" else f"s3://{s3.new_bucket()}/lake", s3)
    )
    before = objects(lake.uri, s3)

    def die(name: str) -> None:
        if name == "indicators":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh.run({}, lake, die)
    after = objects(lake.uri, s3)
    left = litter(after)
    assert {key: data for key, data in after.items() if key not in left} == before
    assert {key.split("/")[1] for key in left} == TABLES - {"indicators", "carried"}
    refresh.run({}, lake)
    assert litter(objects(lake.uri, s3)) == left
    assert content(lake.uri) == content(states["published"])


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "gone": Path.unlink,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "garbled": lambda path: path.write_bytes(b"x" * path.stat().st_size),
}


def damage(lake: Lake, name: str, how: str) -> None:
    for file in head(lake).table(name).files:
        DAMAGE[how](Path(lake.uri, file.key))


def rebuilt(parts: dict[str, Any]) -> dict[str, str]:
    """Return the reason per table that was computed from the beginning as its files were lost."""
    reports = {**parts["resample"]["tables"], "indicators": parts["indicators"], "metadata": parts["metadata"]}
    return {name: reason for name, report in reports.items() if (reason := report.get("rebuilt"))}


@pytest.mark.parametrize(
    ("state", "damages"),
    [
        ("fetched", {"bars_3d": "gone", "indicators": "garbled", "metadata": "cut"}),
        ("published", {"bars_3d": "cut", "indicators": "gone", "metadata": "garbled"}),  # nothing else is to be done
    ],
)
def test_derived_tables_whose_files_are_lost_are_computed_again(
    state: str, damages: dict[str, str], states: dict[str, str], tmp_path: Path, s3_server: S3Server
) -> None:
    """The result names the files."""
    lake = Lake(copy(states[state], str(tmp_path / "lake"), s3_server))
    for name, how in damages.items():
        damage(lake, name, how)
    result = refresh.run({}, lake)
    assert (result["failed"], result["stale"]) == ({}, [])
    reasons = rebuilt(result["parts"])
    assert reasons.keys() == damages.keys()
    assert all(reason.startswith(f"silver/{name}/0000") for name, reason in reasons.items())
    assert content(lake.uri) == content(states["published"])


@pytest.mark.faults
def test_a_run_whose_metadata_is_lost_fetches_nevertheless(
    states: dict[str, str], tmp_path: Path, s3_server: S3Server
) -> None:
    """The fetch reads it, to know of codes that two companies have had."""
    lake = Lake(copy(states["first"], str(tmp_path / "lake"), s3_server))
    damage(lake, "metadata", "garbled")
    source = f"files:{write_csv(tmp_path, SECOND)}"
    options = ("--market", "US", "--source", source, "--date", str(SECOND), "--accept-smaller", "--json")
    ran = run_cli("run", "--lake", lake.uri, *options)
    result = json.loads(ran.out)
    assert (ran.code, result["status"], result["missing"]) == (0, "complete", [])
    assert any(note.startswith("metadata was computed from the beginning: silver/") for note in result["notes"])


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("indicators", ["indicators", "refresh", "--full"]),
        ("metadata", ["metadata", "--full"]),
        pytest.param("bars_3d", ["resample"], marks=pytest.mark.faults),
        pytest.param("indicators", ["indicators", "refresh"], marks=pytest.mark.faults),
        pytest.param("metadata", ["metadata"], marks=pytest.mark.faults),
    ],
)
def test_each_command_computes_its_table_without_the_old_files(
    name: str, command: Sequence[str], states: dict[str, str], tmp_path: Path, s3_server: S3Server
) -> None:
    lake = Lake(copy(states["published"], str(tmp_path / "lake"), s3_server))
    damage(lake, name, "gone")
    ran = run_cli(*command, "--lake", lake.uri)
    assert ran.code == 0, ran
    assert "--full" in command or f"{name} was computed from the beginning: silver/{name}/0000" in ran.out
    assert content(lake.uri) == content(states["published"])


def test_the_bars_alone(lake: Lake) -> None:
    """The event with which the state machine invokes the function again after it has died."""
    before = head(lake).generation
    result = refresh.run({"only": ["consolidate"]}, lake)
    assert (result["generation"], result["parts"].keys(), result["failed"]) == (before + 1, {"consolidate"}, {})
    assert result["stale"] == ["bars_3d", "carried", "indicators", "metadata"]
    assert new_tables(lake) == {"bars"}
    assert refresh.run({}, lake)["stale"] == []
    with pytest.raises(UsageError, match="no part bars of a refresh: the parts are metadata, consolidate"):
        refresh.run({"only": ["bars"]}, lake)
