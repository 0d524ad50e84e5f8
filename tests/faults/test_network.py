"""S3 fails for one request, or from some request on: a command retries or reports it; nothing is lost or put twice."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from stockstream.pipeline.configuration import settings
from tests.faults._cli import answer, command
from tests.faults._lake import (
    INTERVAL,
    SECOND,
    SESSIONS,
    age,
    assert_one_line,
    content,
    copy,
    litter,
    look,
    objects,
    write_csv,
)
from tests.faults._network import CONFLICT, FAULTS, breaking, impatient
from tests.injected import Injected
from tests.kill_at import Ended, Runner
from tests.s3_server import S3Server

pytestmark = pytest.mark.faults
WRITERS = {
    "consolidate": "fetched",
    "consolidate --full": "fetched",
    "resample": "consolidated",
    "indicators refresh": "consolidated",
    "metadata": "consolidated",
    "rollback 3 --yes": "published",
    "vacuum --raw archive --delete": "old",
    "repair --apply": "damaged",
    "run": "first",
}
"""The commands that write, with the state of the lake before them (the fixture `states`)."""
READERS = ("query", "status", "history", "check")
REQUESTS_OF_WRITER = {"run": 1}
"""Number of requests of a command that fail in each way, evenly spread, other ones in each way; 2 if it is quick."""
REQUESTS_OF_READER = 4
"""The same for a reader."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    monkeypatch.setenv("STOCKSTREAM_RESAMPLE", f'["{INTERVAL}"]')
    monkeypatch.setenv("STOCKSTREAM_START", str(SESSIONS[0]))
    monkeypatch.setenv("STOCKSTREAM_LOG_LEVEL", "ERROR")
    settings.cache_clear()


def prepare(state: str, states: dict[str, str], to: str, s3: S3Server) -> str:
    """Copy the lake of a state to S3; the state `damaged` is the published one without a file of the indicators."""
    lake = copy(states["published" if state == "damaged" else state], to, s3)
    if state == "old":
        age(lake, 40, s3)
    if state == "damaged":
        (key, *_) = sorted(key for key in objects(lake, s3) if key.startswith("silver/indicators/"))
        bucket, _, prefix = lake.removeprefix("s3://").partition("/")
        s3.client().delete_object(Bucket=bucket, Key=f"{prefix}/{key}")
    return lake


def argv_of(name: str, folder: Path) -> list[str]:
    """Return a command; those that fetch bars read a file."""
    source = ["--market", "US", "--source", f"files:{folder / f'bars-{SECOND}.csv'}", "--batch-size", "2"]
    more = {
        "run": [*source, "--date", str(SECOND)],
        "query": ["SELECT count(*) AS rows, sum(hash(t))::VARCHAR AS hash FROM bars AS t", "--json"],
        "status": ["--json"],
        "history": ["--json"],
        "check": ["--json"],
    }
    return [*name.split(), *more.get(name, [])]


class Undisturbed(NamedTuple):
    """What a command does if all of its requests succeed."""

    expected: object
    """The content of the lake after it."""
    complete: set[object]
    """What a reader may see of the lake, before it and after it."""
    requests: dict[str, int]
    """Number of requests that can fail in each way."""


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Undisturbed]:
    """Return what each command does, as far as a test of this process has seen it."""
    return {}


def observe(name: str, argv: Sequence[str], states: dict[str, str], s3: S3Server) -> Undisturbed:
    """Run a command of `WRITERS` without a fault."""
    state = WRITERS[name]
    lake = prepare(state, states, f"s3://{s3.new_bucket()}/undisturbed", s3)
    before: set[object] = set() if state == "damaged" else {look(lake)}
    with ExitStack() as stack:
        seen = {how: stack.enter_context(breaking(s3, how, 0, 0)) for how in FAULTS}
        ended = command(*argv, "--lake", lake)
    assert ended.code == 0, ended
    return Undisturbed(content(lake), {*before, look(lake)}, {how: seen[how]["asked"] for how in FAULTS})


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("name", WRITERS)
def test_one_request_of_a_writer_fails(
    name: str,
    how: str,
    states: dict[str, str],
    undisturbed: dict[str, Undisturbed],
    s3: S3Server,
    injected: Injected,
    tmp_path: Path,
) -> None:
    """The SDK and DuckDB repeat the request; if they may not, the command says what happened."""
    write_csv(tmp_path, SECOND)
    argv, bucket, state = argv_of(name, tmp_path), s3.new_bucket(), WRITERS[name]
    if name not in undisturbed:
        undisturbed[name] = observe(name, argv, states, s3)
    expected, complete, by_fault = undisturbed[name]
    requests = by_fault[how]
    for number in spread(requests, REQUESTS_OF_WRITER.get(name, 2), how):
        lake = prepare(state, states, f"s3://{bucket}/{number}", s3)
        with breaking(s3, how, number, number) as seen:
            ended = command(*argv, "--lake", lake)
        assert seen["broken"]
        injected(name, f"s3: request {number}", how)
        assert "Traceback" not in ended.err, ended
        if ended.code not in (0, 3):
            assert_one_failure(ended, name)
        if name != "run" and state != "damaged":  # whose batches are visible one by one
            assert look(lake) in complete
        again = command(*argv, "--lake", lake)
        assert again.code == 0, again
        assert content(lake) == expected
        if ended.code == 0 and state != "damaged":  # of which earlier generations name a file that is gone
            assert not litter(objects(lake, s3)), "something was put twice"


def spread(requests: int, count: int, how: str) -> range:
    """Return some `count` of the requests 1 to `requests`, evenly spread, and other ones for each fault."""
    step = max(1, math.ceil(requests / count))
    return range(1 + FAULTS.index(how) * step // len(FAULTS), requests + 1, step)


def assert_one_failure(ended: Ended, name: str) -> None:
    """Check that a command ended with one line; `run` and `repair` report what they did nevertheless."""
    if name == "run" or (name == "repair --apply" and "stays as it was" in ended.out):
        return
    assert_one_line(ended)


@pytest.mark.parametrize("how", [how for how in FAULTS if how != CONFLICT])
@pytest.mark.parametrize("name", READERS)
def test_one_request_of_a_reader_fails(
    name: str, how: str, states: dict[str, str], s3: S3Server, injected: Injected, tmp_path: Path
) -> None:
    """Its answer is right, or it says what happened."""
    argv = argv_of(name, tmp_path)
    lake = copy(states["published"], f"s3://{s3.new_bucket()}/lake", s3)
    with breaking(s3, how, 0, 0) as seen:
        expected = answer(command(*argv, "--lake", lake))
    assert expected is not None
    requests = seen["asked"]
    for number in spread(requests, REQUESTS_OF_READER, how):
        with breaking(s3, how, number, number) as seen:
            ended = command(*argv, "--lake", lake)
        if not seen["broken"]:
            break
        injected(name, f"s3: request {number}", how)
        assert "Traceback" not in ended.err, ended
        if ended.code == 0:
            assert reproducible(answer(ended)) == reproducible(expected)
        else:
            assert ended.err.strip() or json.loads(ended.out)["status"] == "error", ended  # that of `check --json`


def reproducible(value: object) -> object:
    """Return an answer without times, and without the temporary folders that other tests have left."""
    if isinstance(value, dict):
        return {key: reproducible(item) for key, item in value.items() if key not in ("seconds", "leftovers")}
    return [reproducible(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("how", ["400", "dropped"])
@pytest.mark.parametrize("name", ["consolidate", "run"])
def test_all_requests_fail_from_some_moment_on(
    name: str, how: str, states: dict[str, str], s3: S3Server, runner: Runner, tmp_path: Path, injected: Injected
) -> None:
    """Credentials expire (400), or the network is down: the command line reports it, and loses nothing."""
    source = f"files:{write_csv(tmp_path, SECOND)}"
    state, argv = {
        "consolidate": ("fetched", ["consolidate"]),
        "run": ("first", ["run", "--market", "US", "--source", source, "--date", str(SECOND), "--json"]),
    }[name]
    bucket = s3.new_bucket()
    undisturbed = copy(states[state], f"s3://{bucket}/undisturbed", s3)
    with breaking(s3, how, 0, 0) as seen:
        assert runner.run([*argv, "--lake", undisturbed])[0].code == 0
    expected, whole = content(undisturbed), seen["asked"]
    for number in range(2, whole, 10) if how != "dropped" else [whole // 2]:
        lake = copy(states[state], f"s3://{bucket}/{number}", s3)
        with breaking(s3, how, number, 10**9):
            (ended,) = runner.run([*argv, "--lake", lake])
        injected(name, f"s3: request {number} and all later ones", how)
        words = ["expired"] if how == "400" else []
        if ended.out:  # a run reports what it has done nevertheless
            assert (ended.code, json.loads(ended.out)["status"]) == (1, "failed"), ended
            assert all(word in ended.out for word in words)
            assert "Traceback" not in ended.err + ended.out
        else:
            assert_one_line(ended, f"s3://{bucket}", *words)
        assert runner.run([*argv, "--lake", lake])[0].code == 0
        assert content(lake) == expected
