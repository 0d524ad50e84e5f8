"""Serving files that runs store in the lake, and that servers take from there."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps import publish_serving
from tests.analytics.serving.server import Server, start
from tests.analytics.serving.test_generations import publish, wait_for
from tests.analytics.test_cli import run_cli

PATH = "/v1/bars/IBM?start=2013-01-01"


@pytest.fixture(scope="module")
def stored(lake: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake whose newest generation has a serving file, from a run; no test changes it."""
    folder = tmp_path_factory.mktemp("stored")
    shutil.copytree(lake, folder / "lake")
    file = folder / "bars.csv"
    file.write_text("symbol,date,open,high,low,close,volume\nIBM,2013-03-04,205,205,205,205,1000\n")
    source = ["--source", f"files:{file}", "--prices", "as-traded", "--symbols", "IBM", "--date", "2013-03-05"]
    ran = run_cli("run", "--lake", str(folder / "lake"), *source, "--serving-file", "--json")
    assert ran.code == 0, ran.err
    result = json.loads(ran.out)["serving"]
    assert result["generation"] == head(Lake(str(folder / "lake"))).generation
    assert (folder / "lake" / result["key"]).stat().st_size == result["bytes"]
    return folder / "lake"


@pytest.fixture
def copy(stored: Path, tmp_path: Path) -> Path:
    shutil.copytree(stored, tmp_path / "lake")
    return tmp_path / "lake"


def test_a_server_uses_the_stored_file_and_answers_as_one_that_makes_its_own(stored: Path, tmp_path: Path) -> None:
    [file] = (stored / "serving").iterdir()
    aside = tmp_path / "other"
    shutil.copytree(stored, aside, ignore=shutil.ignore_patterns("serving"))
    answers, logs = [], []
    for number, lake in enumerate((stored, aside)):
        server = start(lake, XDG_CACHE_HOME=str(tmp_path / f"cache {number}"))
        answer = server.get(PATH)
        answers.append((answer.content, answer.headers["etag"], server.get("/v1/symbols").content))
        logs.append(server.stop()[1])
    assert answers[0] == answers[1]
    assert "2013-03-04" in answers[0][0].decode()
    assert f"uses {file}" in logs[0]
    assert "makes the serving file" not in logs[0]
    assert "makes the serving file of generation" in logs[1]


@pytest.mark.parametrize("damage", ["cut", pytest.param("changed", marks=pytest.mark.large)])
def test_a_damaged_file_is_named_and_not_used_and_a_run_replaces_it(copy: Path, tmp_path: Path, damage: str) -> None:
    [file] = (copy / "serving").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-4096] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
    server = start(copy, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert server.get(PATH).status_code == 200
    _, log = server.stop()
    assert f"{file} is damaged, and is not used" in log
    assert "makes the serving file of generation" in log
    result = publish_serving.run({"enabled": True}, Lake(str(copy)))
    assert result["generation"] is not None
    again = publish_serving.run({"enabled": True}, Lake(str(copy)))
    assert again == {"generation": None, "key": None, "bytes": 0, "deleted": 0}  # it is there, and right


@pytest.fixture
def serving(copy: Path, tmp_path: Path) -> Iterator[Server]:
    started = start(copy, XDG_CACHE_HOME=str(tmp_path / "cache"))
    yield started
    started.stop()


def test_a_server_waits_for_the_file_of_a_run(copy: Path, serving: Server, tmp_path: Path) -> None:
    before = serving.generation
    number = publish(str(copy), tmp_path, "2013-03-05", 206.0)
    until = time.monotonic() + 60
    while f"waits for the serving file of generation {number}" not in serving.log.read_text():
        assert time.monotonic() < until
        time.sleep(0.1)
    assert serving.json("/v1/status")["generation"] == before
    result = publish_serving.run({"enabled": True}, Lake(str(copy)))
    wait_for(serving, number)
    assert f"uses {copy / str(result['key'])}" in serving.log.read_text()
    assert "makes the serving file" not in serving.log.read_text()


def test_the_files_of_the_last_three_generations_are_kept(copy: Path) -> None:
    [file] = (copy / "serving").iterdir()
    newest = int(file.name[:6])
    for number in (newest + 3, newest + 2, newest + 1, newest - 1):  # of another lake that was here, and an earlier one
        (copy / "serving" / f"{number:06d}-a-b.duckdb").write_bytes(b"")
    file.rename(file.with_name(f"{newest:06d}-other-version.duckdb"))
    result = publish_serving.run({"enabled": True}, Lake(str(copy)))
    left = sorted(path.name for path in (copy / "serving").iterdir())
    assert result["deleted"] == 2
    assert {name[:6] for name in left} == {f"{number:06d}" for number in (newest, newest + 2, newest + 3)}
    assert str(result["key"]).partition("/")[2] in left


def test_nothing_is_stored_unless_it_is_switched_on(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert publish_serving.run({}, Lake(lake))["generation"] is None
    assert not (Path(lake) / "serving").exists()
