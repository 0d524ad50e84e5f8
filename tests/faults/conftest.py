"""Fixtures of the tests of faults: the command line in separate processes, and lakes in the states before a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations

import pytest

from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import RAW, Lake
from stockstream.pipeline.steps import consolidate as consolidation
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.vacuum import run as vacuum
from stockstream.sql.session import connect
from tests.faults._lake import (
    FIRST,
    INTERVAL,
    NEEDED,
    SECOND,
    SESSIONS,
    SHORT,
    Reader,
    State,
    age,
    content,
    copy,
    fetch,
    immutable,
    litter,
    look,
    looked_again,
    objects,
    publish_all,
)
from tests.injected import Injected
from tests.kill_at import Runner
from tests.s3_server import S3Server

Prepare = Callable[[str, str], str]


@contextmanager
def short_tail() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in SHORT.items():
            patched.setattr(consolidation, name, value)
        yield


@pytest.fixture(autouse=True)
def _short_tail() -> Iterator[None]:
    with short_tail():
        yield


@pytest.fixture(scope="session")
def runner(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    lean = {"STOCKSTREAM_RESAMPLE": f'["{INTERVAL}"]', "STOCKSTREAM_START": str(SESSIONS[0])}
    with Runner(tmp_path_factory.mktemp("runner"), {**s3_server.environment, **lean}, SHORT) as started:
        yield started


@pytest.fixture(scope="session")
def states(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the folder of a lake per state.

    `empty`: no objects. `first`: the bars of one day, published. `fetched`: the bars of a second day, not published.
    `consolidated`: these merged, not resampled. `published`: all steps done. `old`: the same 40 days ago, with files
    that killed writers left.
    """
    folder = tmp_path_factory.mktemp("states")
    (folder / "empty").mkdir()
    lake, made = Lake(str(folder / "lake")), {"empty": str(folder / "empty")}

    def keep(name: str) -> None:
        made[name] = copy(lake.uri, str(folder / name), s3_server)

    with short_tail():
        fetch(lake, folder, FIRST)
        publish_all(lake)
        keep("first")
        fetch(lake, folder, SECOND)
        keep("fetched")
        consolidate({}, lake)
        bars = head(lake).table("bars")
        assert (len(bars.base), len(bars.delta), bars.restated) == (1, 1, ("BBB",))
        keep("consolidated")
        publish_all(lake)
        keep("published")
        lake.store.put("silver/bars/000009-delta-0badf00d.parquet", b"of a writer that was killed", replaces=None)
        (folder / "lake/silver/bars/.aside-000009-delta-0badf00d.parquet").write_bytes(b"half of")
        age(lake.uri, 40, s3_server)
        keep("old")
    return made


@pytest.fixture
def prepare(states: dict[str, str], lake_uri: str, s3_server: S3Server) -> Prepare:
    """Return a function that copies the lake of a state under a name, in a folder and on S3 in turn."""

    def prepared(state: str, name: object) -> str:
        lake = copy(states[state], f"{lake_uri}-{name}", s3_server)
        if state == "old" and lake.startswith("s3://"):
            age(lake, 40, s3_server)
        return lake

    return prepared


@dataclass(frozen=True)
class Step:
    """A command, the state of the lake before it (`states`), and the number of objects it puts and then deletes."""

    command: str
    state: str
    puts: int
    deletions: int = 0

    def on(self, lake: str) -> list[str]:
        return [*self.command.split(), "--lake", lake]

    @property
    def name(self) -> str:
        return "run" if self.command.startswith("run") else self.command

    @property
    def moments(self) -> dict[str, int]:
        """The number of moments of writing, on S3 and in a folder: see `kill_at`."""
        requests = self.puts + (2 if self.deletions else 0)  # up to a thousand deletions are one; manifests, then files
        return {"s3": 2 * requests, "folder": 2 * self.puts + self.deletions}


def points(moments: int) -> list[int]:
    """Return the moments of writing at which to kill a command: before each put is complete, and after the last one.

    After another put is as before the next one, whose file is half written in addition.
    """
    return sorted({*range(1, moments + 1, 2), moments})


Kill = Callable[[Step], None]


@pytest.fixture
def kill_at_every_write(
    prepare: Prepare, runner: Runner, s3_server: S3Server, lake_uri: str, injected: Injected
) -> Kill:
    """Return a function that kills a command while it writes, and checks what it leaves and what a re-run does."""
    place = "s3" if lake_uri.startswith("s3://") else "folder"

    def between(undisturbed: str, state: str) -> set[State]:
        """Return what readers may see during a run before its one generation: any subset of its batches."""
        after = objects(undisturbed, s3_server)
        held = objects(prepare(state, "held"), s3_server)
        batches = [key for key in after if key.startswith(RAW) and key not in held]
        found = set()
        for number in range(len(batches) + 1):
            for some in combinations(batches, number):
                lake = Lake(prepare(state, "-".join(["with", *map(str, map(batches.index, some))])))
                for key in some:
                    lake.store.put(key, after[key], replaces=None)
                found.add(look(lake.uri))
        return found

    def kill(step: Step) -> None:
        undisturbed = prepare(step.state, "undisturbed")
        before = look(undisturbed)
        assert [ended.code for ended in runner.run(step.on(undisturbed))] == [0]
        expected, complete = content(undisturbed), {before, look(undisturbed)}
        if step.name == "run":
            complete |= between(undisturbed, step.state)
        for point in points(step.moments[place]):
            lake = prepare(step.state, point)
            there = immutable(objects(lake, s3_server))
            with connect(lake, only=NEEDED) as con:
                with Reader(con, complete, pause=0.2):
                    (ended,) = runner.run(step.on(lake), kill_at=point)
                assert ended.killed, ended
                injected(step.name, f"{place}: from {step.state}, write {point}", "kill")
                left = objects(lake, s3_server)
                litter(left)
                assert step.deletions or there <= immutable(left), "published objects are gone or have changed"

                (again,) = runner.run(step.on(lake))
                assert again.code == 0, again
                idle = vacuum({"delete": True}, Lake(lake))
                assert (idle["files"], idle["orphans"], idle["manifests"]) == (0, 0, []), "young objects were deleted"
                age(lake, 10, s3_server)
                vacuum({"delete": True}, Lake(lake))
                assert (looked_again(con), litter(objects(lake, s3_server))) == (expected, set())
        (ended,) = runner.run(step.on(prepare(step.state, "last")), kill_at=step.moments[place] + 1)
        assert ended.code == 0, f"there are more moments of writing than expected: {ended}"

    return kill
