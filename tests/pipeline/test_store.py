"""The store's contract, in a folder and on S3: complete objects, replaced only by a writer that has read them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session

from stockstream.pipeline.errors import Conflict, LakeError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.store import Store, Stored, open_store
from stockstream.pipeline.store.folder import FolderStore
from tests.pipeline.test_invariants import BLANK, SESSIONS, fetch
from tests.pipeline.test_invariants import stored as stored_bars
from tests.pipeline.test_vacuum import grow_older
from tests.s3_server import S3Server

KEY = "raw-data/2026-11-20-batch-0.parquet"
WRITERS = 10
ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(lake_uri: str) -> Store:
    return open_store(lake_uri)


def read(store: Store, key: str = KEY) -> Stored:
    stored = store.get(key)
    assert stored is not None
    return stored


def race(work: Callable[[int], None]) -> list[str]:
    """Run `work` in ten threads that start at the same moment; return the outcome of each."""
    start, outcomes = threading.Barrier(WRITERS), [""] * WRITERS

    def runner(number: int) -> None:
        start.wait()
        try:
            work(number)
            outcomes[number] = "won"
        except Exception as error:
            outcomes[number] = type(error).__name__

    threads = [threading.Thread(target=runner, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


# The contract


def test_an_object_is_put_once_and_replaced_only_by_who_has_seen_it(store: Store) -> None:
    assert store.get(KEY) is None
    store.put(KEY, b"first", replaces=None)
    first = read(store)
    assert first.data == b"first"
    with pytest.raises(Conflict):
        store.put(KEY, b"blind", replaces=None)
    store.put(KEY, b"second", replaces=first)
    with pytest.raises(Conflict):
        store.put(KEY, b"stale", replaces=first)
    with pytest.raises(Conflict):
        store.put(KEY, b"blind", replaces=None)
    assert read(store).data == b"second"


def test_a_file_is_put_as_its_bytes_are(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3_000_000))
    store.put(KEY, file, replaces=None)
    assert read(store).data == file.read_bytes()
    with pytest.raises(Conflict):
        store.put(KEY, b"other", replaces=None)
    file.write_bytes(b"second")
    with pytest.raises(Conflict):
        store.put(KEY, file, replaces=None)
    store.put(KEY, file, replaces=read(store))
    assert read(store).data == b"second"


def test_an_object_that_is_gone_cannot_be_replaced(store: Store, lake_uri: str, request: Any) -> None:
    store.put(KEY, b"first", replaces=None)
    seen = read(store)
    if lake_uri.startswith("s3://"):
        bucket, _, prefix = lake_uri.removeprefix("s3://").partition("/")
        request.getfixturevalue("s3").client().delete_object(Bucket=bucket, Key=f"{prefix}/{KEY}")
    else:
        (Path(lake_uri) / KEY).unlink()
    with pytest.raises(Conflict):
        store.put(KEY, b"second", replaces=seen)
    assert store.get(KEY) is None
    assert Lake(lake_uri).update(KEY, lambda before: b"anew" if before is None else None)


def test_the_list_is_sorted_and_tells_versions_and_sizes_apart(store: Store, lake_uri: str) -> None:
    assert store.list("raw-data/") == {}
    for key in ("raw-data/b", "raw-data/a", "state/c", "raw-data-b/d"):
        store.put(key, key.encode(), replaces=None)
    if not lake_uri.startswith("s3://"):
        (Path(lake_uri) / "raw-data" / ".aside-a").write_bytes(b"half")  # what a killed writer leaves
    before = store.list("raw-data/")
    assert list(before) == ["raw-data/a", "raw-data/b"]
    assert {key: listed.etag for key, listed in before.items()} == {key: read(store, key).etag for key in before}
    assert {listed.size for listed in before.values()} == {len("raw-data/a")}
    store.put("raw-data/b", b"RAW-DATA/B", replaces=read(store, "raw-data/b"))  # of the same size
    after = store.list("raw-data/")
    assert after["raw-data/a"] == before["raw-data/a"]
    assert after["raw-data/b"] != before["raw-data/b"]


def test_age_is_by_the_stores_clock(lake_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer's clock is ten days ahead of the server's clock, which is in each of its answers."""
    store = open_store(lake_uri)
    for key in ("raw-data/a", "raw-data/b"):
        store.put(key, b"", replaces=None)
    grow_older(lake_uri, timedelta(hours=5), "raw-data/a")
    before = datetime.now(UTC)
    if lake_uri.startswith("s3://"):
        send = URLLib3Session.send

        def sent(self: URLLib3Session, request: Any) -> Any:
            response = send(self, request)
            response.headers["Date"] = format_datetime(before, usegmt=True)
            return response

        monkeypatch.setattr(URLLib3Session, "send", sent)
        with time_machine.travel(before + timedelta(days=10)):
            ages = {key: listed.age for key, listed in store.list("").items()}
    else:
        ages = {key: listed.age for key, listed in store.list("").items()}
    for key, hours in (("raw-data/a", 5), ("raw-data/b", 0)):
        assert abs(ages[key] - timedelta(hours=hours)) < timedelta(minutes=1), key


def test_deleting_is_final_and_may_be_repeated(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockstream.pipeline.store.s3._PER_DELETE", 3)  # S3 takes 1,000 per request
    keys = [f"raw-data/{number}" for number in range(8)]
    for key in keys:
        store.put(key, b"", replaces=None)
    for _ in range(2):
        store.delete(key for key in [*keys[:7], "state/nothing"])
        assert list(store.list("")) == keys[7:]
    store.delete([])
    assert store.get(keys[0]) is None
    store.put(keys[0], b"anew", replaces=None)
    assert read(store, keys[0]).data == b"anew"


def test_what_killed_writers_leave_can_be_found_and_deleted(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    store.put("silver/a", b"", replaces=None)
    (tmp_path / "silver" / ".aside-b").write_bytes(b"half")
    assert {key: listed.size for key, listed in store.litter().items()} == {"silver/.aside-b": 4}
    store.delete(store.litter())
    assert [path.name for path in (tmp_path / "silver").iterdir()] == ["a"]


def test_a_list_of_several_pages_is_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")  # S3 returns 1,000 per page
    keys = [f"raw-data/{number}" for number in range(8)]
    for key in reversed(keys):
        store.put(key, b"", replaces=None)
    assert list(store.list("raw-data/")) == keys


# Races


def test_of_ten_writers_of_a_new_object_one_wins(store: Store) -> None:
    for attempt in range(3):
        key = f"raw-data/{attempt}"
        outcomes = race(lambda number, key=key: store.put(key, b"%d" % number, replaces=None))  # type: ignore[misc]
        assert sorted(outcomes) == ["Conflict"] * (WRITERS - 1) + ["won"]
        assert read(store, key).data == b"%d" % outcomes.index("won")


def test_of_ten_writers_of_a_replacement_one_wins(store: Store) -> None:
    store.put(KEY, b"before", replaces=None)
    seen = read(store)
    outcomes = race(lambda number: store.put(KEY, b"%06d" % number, replaces=seen))
    assert sorted(outcomes) == ["Conflict"] * (WRITERS - 1) + ["won"]
    assert read(store).data == b"%06d" % outcomes.index("won")


def append(uri: str, line: str) -> None:
    Lake(uri).update("state/log", lambda before: (before.data if before else b"") + line.encode())


def test_racing_updates_lose_no_line(lake_uri: str) -> None:
    for turn in range(3):
        outcomes = race(lambda number, turn=turn: append(lake_uri, f"{turn}-{number}\n"))  # type: ignore[misc]
        assert outcomes == ["won"] * WRITERS
    lines = read(open_store(lake_uri), "state/log").data.decode().splitlines()
    assert sorted(lines) == sorted(f"{turn}-{number}" for turn in range(3) for number in range(WRITERS))


def test_racing_processes_lose_no_line(tmp_path: Path) -> None:
    """The lock works between processes, not only between threads."""
    uri = str(tmp_path / "lake")
    script = (
        "import sys; from stockstream.pipeline.lake import Lake\n"
        "for turn in range(20):\n"
        "    line = f'{sys.argv[2]}-{turn}\\n'.encode()\n"
        "    Lake(sys.argv[1]).update('state/log', lambda before: (before.data if before else b'') + line)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, uri, str(number)], cwd=ROOT) for number in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 3
    lines = read(FolderStore(uri), "state/log").data.decode().splitlines()
    assert sorted(lines) == sorted(f"{number}-{turn}" for number in range(3) for turn in range(20))


def test_bytes_are_compared_where_a_version_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have times in seconds and reuse inodes, so that only the size can differ."""
    monkeypatch.setattr("stockstream.pipeline.store.folder._version", lambda stat: f"{stat.st_size}")
    store = FolderStore(str(tmp_path))
    store.put(KEY, b"1", replaces=None)
    first = read(store)
    store.put(KEY, b"2", replaces=first)
    with pytest.raises(Conflict):
        store.put(KEY, b"3", replaces=first)
    assert read(store).data == b"2"


# A store that cannot be written to


def test_a_folder_below_a_file_is_a_lake_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FolderStore(str(tmp_path / "file" / "lake"))
    for call in (lambda: store.put(KEY, b"", replaces=None), lambda: store.get(KEY)):
        with pytest.raises(LakeError, match="file/lake") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_full_disk_leaves_the_old_object(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(str(tmp_path))
    store.put(KEY, b"old", replaces=None)
    old = read(store)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(f"os.{call}", full)
        with pytest.raises(LakeError, match="No space left on device") as caught:
            store.put(KEY, b"new", replaces=old)
    assert KEY in str(caught.value)
    assert read(store) == old
    assert {key: listed.etag for key, listed in store.list("").items()} == {KEY: old.etag}
    store.put("raw-data/another", b"", replaces=None)  # whatever lay aside is gone with the next put there
    assert {path.name for path in (tmp_path / "raw-data").iterdir()} == {Path(KEY).name, "another"}
    store.put(KEY, b"new", replaces=old)
    assert read(store).data == b"new"


def test_a_lock_that_another_process_keeps_is_a_lake_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr("stockstream.pipeline.store.folder.LOCK_SECONDS", 0.2)
    store = FolderStore(str(tmp_path))
    with FileLock(tmp_path / ".lock"), pytest.raises(LakeError, match="another process has held"):
        store.put(KEY, b"", replaces=None)
    store.put(KEY, b"", replaces=None)


def test_s3_errors_are_one_line_each(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)  # the SDK's waits between its tries

    def message(uri: str) -> str:
        store = open_store(uri)
        texts = set()
        calls: list[Callable[[], object]] = [
            lambda: store.put(KEY, b"", replaces=None),
            lambda: store.get(KEY),
            lambda: store.list(""),
            lambda: store.delete([KEY]),
        ]
        for call in calls:
            with pytest.raises(LakeError) as caught:
                call()
            texts.add(str(caught.value).split(": ", 1)[1])
            assert "\n" not in str(caught.value)
            assert uri in str(caught.value)
        assert len({text.split('"')[0] for text in texts}) == 1
        return texts.pop()

    assert message("s3://no-such-bucket/lake") == "there is no such bucket"
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the discard port: no server listens
        assert "Could not connect" in message(f"s3://{s3.new_bucket()}/lake")
    bucket = s3.new_bucket()
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it remembers the credentials
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no AWS credentials found" in message(f"s3://{bucket}/lake")


# An answer that is lost


@pytest.fixture
def answers_lost(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Store the first put of each object on the server, and break the connection before the answer arrives."""
    send, lost = URLLib3Session.send, list[str]()

    def sent(self: URLLib3Session, request: Any) -> Any:
        response = send(self, request)
        if request.method == "PUT" and "/lake/" in request.url and request.url not in lost:
            lost.append(request.url)
            raise ConnectionClosedError(endpoint_url=request.url)
        return response

    monkeypatch.setattr(URLLib3Session, "send", sent)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    return lost


def test_a_put_sent_again_after_a_lost_answer_is_stored_once(s3: S3Server, answers_lost: list[str]) -> None:
    lake = Lake(f"s3://{s3.new_bucket()}/lake")
    asked = []

    def make(before: Stored | None) -> bytes:
        asked.append(before)
        return (before.data if before else b"") + b"line\n"

    with s3.counted() as requests:
        assert lake.update(KEY, make), "the caller learns that nothing was written, but it was"
    assert len(answers_lost) == 1
    assert [request.status for request in requests if request.method == "PUT"] == [200, 412]
    assert read(lake.store).data == b"line\n"
    assert len(asked) == 1


def test_a_batch_whose_answers_are_lost_is_stored_once_and_says_so(s3: S3Server, answers_lost: list[str]) -> None:
    lake = Lake(f"s3://{s3.new_bucket()}/lake")
    rows = [{**BLANK, "symbol": "AAA", "date": day, "close": 10.0} for day in SESSIONS]
    result = fetch(lake, 0, rows)
    assert len(answers_lost) == 1
    assert (result["rows"], list(lake.store.list("raw-data/"))) == (len(rows), [result["key"]])
    assert len(stored_bars(lake)) == len(rows)
    assert fetch(lake, 1, rows)["rows"] == 0


def test_a_lake_is_prepared_although_every_first_answer_is_lost(s3: S3Server, answers_lost: list[str]) -> None:
    lake = Lake(f"s3://{s3.new_bucket()}/lake")
    for _ in range(2):
        lake.prepare(MARKETS["ASX"], MARKETS["ASX"].schedule(2026).index[-1].date())
    assert len(answers_lost) == 2
    assert lake.market() == MARKETS["ASX"]
