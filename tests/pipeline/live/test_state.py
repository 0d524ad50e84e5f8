"""State and journal: after a crash at any place, the bars are as if there had been none."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.events import decode
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.journal import Journal, StoreJournal, number_of, open_journal
from stockstream.pipeline.live.lease import Lease, LeaseTakenError
from stockstream.pipeline.live.state import StateTable, restore, state_of
from tests.pipeline.live.feed import SESSION, expected, frames, seconds, unreliable
from tests.pipeline.live.test_fold import prices
from tests.s3_server import S3Server

DAY = SESSION.date


class Consumer:
    """What a process does between start and death: restore, fold the journal behind the state, then new frames."""

    def __init__(self, lake: Lake) -> None:
        self.states = StateTable(lake, DAY)
        self.fold = Fold(SESSION)
        state = self.states.load()
        self.position = state.position if state else ""
        if state:
            restore(self.fold, state)
        self.journal: Journal = open_journal(lake, DAY, self.position)
        for position, frame in self.journal.read(self.position):
            self.apply(position, frame)

    def apply(self, position: str, frame: bytes) -> None:
        self.fold.apply(position, decode(frame, self.fold.counts))
        self.position = position

    def take(self, frame: bytes) -> None:
        self.apply(self.journal.append(frame), frame)

    def save(self) -> None:
        self.journal.sync()
        self.states.save(state_of(self.fold, "test", self.position))
        self.journal.trim(self.position)


def crash_and_replay(lake: Lake, rng: random.Random, crashes: int, symbols: int) -> int:
    """Feed a day through consumers that die; return the number of deaths, after comparing all bars."""
    events = seconds(symbols, 300, seed=rng.randrange(1000))
    delivered = unreliable(events, rng)
    consumer, done, deaths = Consumer(lake), 0, 0
    while done < len(delivered) or deaths < crashes:
        size = rng.randrange(1, 60)
        for frame in frames(delivered[done : done + size], rng.randrange(1, 20)):
            consumer.take(frame)
        done = min(len(delivered), done + size)
        consumer.journal.flush()
        if rng.random() < 0.3:
            consumer.save()
        if deaths < crashes and (rng.random() < 0.7 or done == len(delivered)):
            deaths += 1
            damage(lake, rng)
            consumer = Consumer(lake)  # the old one's memory is gone
            done = max(0, done - rng.choice((0, 30, 200)))  # the source sends some again, in other frames
    assert prices(consumer.fold) == expected(events)
    assert {bar.missed for bar in consumer.fold.bars.values()} == {0.0}
    return deaths


def damage(lake: Lake, rng: random.Random) -> None:
    """Cut the last line of the journal short, or begin one, as a kill amid a write does."""
    segments = sorted((Path(lake.uri) / "live" / DAY / "journal").glob("*.jsonl"))
    if segments and rng.random() < 0.5:
        with segments[-1].open("ab") as file:
            file.write(b'[{"ev":"A","sym":"AA')


@pytest.mark.large
def test_500_crashes_and_replays_change_no_bar_on_a_folder(tmp_path: Path) -> None:
    rng = random.Random(16)
    deaths = sum(crash_and_replay(Lake(str(tmp_path / str(run))), rng, 50, 4) for run in range(10))
    assert deaths == 500


def test_the_journal_of_a_folder_continues_after_a_torn_line(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    journal = open_journal(lake, DAY, "")
    positions = [journal.append(frame) for frame in (b"[1]", b"[2,\n3]", b"[4]")]
    journal.flush()
    (segment,) = (tmp_path / "live" / DAY / "journal").iterdir()
    segment.write_bytes(segment.read_bytes()[:-2])
    journal = open_journal(lake, DAY, positions[0])
    assert list(journal.read(positions[0])) == [(positions[1], b"[2, 3]")]
    assert journal.append(b"[5]") == positions[2]
    journal.trim(positions[1])
    assert list(journal.read("")) == [(positions[2], b"[5]")]
    journal.append(b"[6]")
    journal.trim(positions[2])
    assert [frame for _, frame in journal.read("")] == [b"[6]"]
    assert number_of(open_journal(lake, DAY, positions[2]).append(b"[7]")) == 5


@pytest.fixture
def s3_lake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    with S3Server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield Lake(f"s3://{server.new_bucket()}/lake")


@pytest.mark.slow
def test_crashes_change_no_bar_on_s3_where_unsynced_frames_are_sent_again(s3_lake: Lake) -> None:
    rng = random.Random(5)
    events = seconds(3, 60)
    consumer, done, saved = Consumer(s3_lake), 0, 0
    for _ in range(12):
        for frame in frames(events[done : done + 20], rng.randrange(1, 9)):
            consumer.take(frame)
        done += 20
        if rng.random() < 0.5:
            consumer.journal.sync()
            saved = done
        if rng.random() < 0.5:
            consumer.save()
            saved = done
        if rng.random() < 0.6:
            consumer, done = Consumer(s3_lake), saved
    while done < len(events):
        for frame in frames(events[done : done + 20]):
            consumer.take(frame)
        done += 20
    assert isinstance(consumer.journal, StoreJournal)
    assert prices(consumer.fold) == expected(events)


def test_two_processes_cannot_save_one_session(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    one, other = StateTable(lake, DAY), StateTable(lake, DAY)
    one.load(), other.load()
    one.save(state_of(Fold(SESSION), "test", ""))
    with pytest.raises(LakeError, match="another process writes the session"):
        other.save(state_of(Fold(SESSION), "test", ""))


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    key = StateTable(lake, DAY).save(state_of(Fold(SESSION), "test", ""))
    (tmp_path / key).write_text("{")
    with pytest.raises(LakeError, match=rf"{key} is damaged .*--restart"):
        StateTable(lake, DAY).load()


def test_a_lease_has_one_holder_until_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Lake(str(tmp_path)).store
    one, other = (Lease(store, "live/leases/polygon.json", "the connection to polygon") for _ in range(2))
    one.acquire()
    with pytest.raises(LeaseTakenError, match=r"process \d+ has the connection to polygon"):
        other.acquire()
    one.renew()
    monkeypatch.setattr("stockstream.pipeline.live.lease.EXPIRY", timedelta(0))
    other.acquire()
    with pytest.raises(LeaseTakenError):
        one.renew()
    one.release()  # which it does not have
    other.renew()
    other.release()
    one.acquire()


def test_a_few_crashes_change_no_bar_on_a_folder(tmp_path: Path) -> None:
    assert crash_and_replay(Lake(str(tmp_path)), random.Random(2), 5, 2) == 5
