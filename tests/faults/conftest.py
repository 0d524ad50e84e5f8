"""What all tests of faults share: the command line in processes of their own, and lakes in the states before a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations, count

import duckdb
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
from tests.kill_at import Runner, trust_extensions
from tests.s3_server import S3Server

Prepare = Callable[[str, str], str]


@contextmanager
def short_tail() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in SHORT.items():
            patched.setattr(consolidation, name, value)
        yield


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(duckdb, "connect", duckdb.connect)
    trust_extensions()
    with short_tail():
        yield


@pytest.fixture(scope="session")
def runner(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    lean = {"STOCKSTREAM_RESAMPLE": f'["{INTERVAL}"]', "STOCKSTREAM_START": str(SESSIONS[0])}
    with Runner(tmp_path_factory.mktemp("runner"), {**s3_server.environment, **lean}, SHORT) as started:
        yield started


@pytest.fixture(scope="session")
def states(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give a lake in each state of its life, in folders.

    `empty`: nothing is in it. `first`: a day's bars, published. `fetched`: a second day's bars, not published.
    `consolidated`: these merged, not resampled. `published`: all done. `old`: the same, with litter, long ago.
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
    """Give what makes a copy of a lake in some state, under a name of its own, in a folder and on S3 in turn."""

    def prepared(state: str, name: object) -> str:
        lake = copy(states[state], f"{lake_uri}-{name}", s3_server)
        if state == "old" and lake.startswith("s3://"):
            age(lake, 40, s3_server)
        return lake

    return prepared


@dataclass(frozen=True)
class Step:
    """A command, the state of the lake before it (`states`), and how many objects it puts and then deletes."""

    command: str
    state: str
    puts: int
    deletions: int = 0
    first: int = 0
    """Killed no later than at so many puts, and only in the middle of each; 0: killed at all moments."""

    def on(self, lake: str) -> list[str]:
        return [*self.command.split(), "--lake", lake]

    @property
    def name(self) -> str:
        return "run" if self.command.startswith("run") else self.command

    @property
    def moments(self) -> dict[str, int]:
        """So many moments of writing it has on S3 and in a folder: see `kill_at`."""
        requests = self.puts + (2 if self.deletions else 0)  # up to a thousand deletions are one; manifests, then files
        return {"s3": 2 * requests, "folder": 2 * self.puts + self.deletions}


Kill = Callable[[Step], None]


@pytest.fixture
def kill_at_every_write(
    prepare: Prepare, runner: Runner, s3_server: S3Server, lake_uri: str, tried: Counter[str]
) -> Kill:
    """Give what kills a command at every write, and looks at what it leaves and at what a re-run makes of that."""
    place = "s3" if lake_uri.startswith("s3://") else "folder"

    def between(undisturbed: str, state: str) -> set[State]:
        """Give what readers may see while a run goes on: each of its batches or not, then all of them merged."""
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
        consolidate({}, lake)
        return found | {look(lake.uri)}

    def kill(step: Step) -> None:
        undisturbed = prepare(step.state, "undisturbed")
        before = look(undisturbed)
        assert [ended.code for ended in runner.run(step.on(undisturbed))] == [0]
        expected, complete = content(undisturbed), {before, look(undisturbed)}
        if step.name == "run":
            complete |= between(undisturbed, step.state)
        for point in range(1, 2 * step.first, 2) if step.first else count(1):
            lake = prepare(step.state, point)
            there = immutable(objects(lake, s3_server))
            with connect(lake, only=NEEDED) as con:
                with Reader(con, complete, pause=0.2):
                    (ended,) = runner.run(step.on(lake), kill_at=point)
                if not ended.killed:
                    assert (ended.code, point - 1) == (0, step.moments[place]), ended
                    break
                tried[f"killed at a write: {step.name} ({place})"] += 1
                left = objects(lake, s3_server)
                litter(left)
                assert step.deletions or there <= immutable(left), "what was published is gone, or not as it was"

                assert [ended.code for ended in runner.run(step.on(lake))] == [0]
                idle = vacuum({"delete": True}, Lake(lake))
                assert (idle["files"], idle["orphans"], idle["manifests"]) == (0, 0, []), "what is young was deleted"
                age(lake, 10, s3_server)
                vacuum({"delete": True}, Lake(lake))
                assert (looked_again(con), litter(objects(lake, s3_server))) == (expected, set())

    return kill
