"""`stockstream stream --to kinesis:NAME` and `--source kinesis:NAME`: refusals, kills, splits, two producers."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto.core.exceptions import JsonRESTError
from moto.kinesis.models import KinesisBackend

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live import stream as stream_module
from stockstream.pipeline.live.announcement import announcement_of
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.producer import Producer
from stockstream.pipeline.live.sink import kinesis_client
from stockstream.pipeline.live.sources import Plan
from stockstream.pipeline.live.sources.base import MARK
from stockstream.pipeline.live.sources.kinesis import KinesisFeed
from stockstream.pipeline.live.stream import Stream
from stockstream.pipeline.markets import MARKETS
from tests.aws.streams import Streams
from tests.pipeline.live.cloud import new_stream
from tests.pipeline.live.feed import OPENS, SESSION, expected, frames, seconds, unreliable
from tests.pipeline.live.test_fold import prices
from tests.pipeline.live.test_stream import command, live, record, run, stream
from tests.s3_server import S3Server

KINESIS = ("--session", SESSION.date)


@pytest.fixture
def kinesis(s3: S3Server) -> Any:
    settings.cache_clear()
    with ExitStack() as stack:
        for one in Streams().patches():
            stack.enter_context(one)
        yield boto3.client("kinesis")


def records(client: Any, name: str) -> list[dict[str, Any]]:
    """Return all records of a stream, those of a shard in their order."""
    found: list[dict[str, Any]] = []
    for shard in client.list_shards(StreamName=name)["Shards"]:
        where = {"StreamName": name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = client.get_shard_iterator(**where)["ShardIterator"]
        found += client.get_records(ShardIterator=iterator)["Records"]
    return found


def events_of(found: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the events by partition key, in their order in the stream."""
    by_key: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        by_key.setdefault(one["PartitionKey"], []).extend(json.loads(one["Data"]))
    return by_key


def by_symbol(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    result: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        result.setdefault(event["sym"], []).append(event)
    return result


def produce(source: str, lake: str | Path, name: str, *options: str, code: int = 0) -> dict[str, Any]:
    return stream(source, lake, "--to", f"kinesis:{name}", *options, code=code)


def consume(name: str, lake: str | Path, volume: float, kills: random.Random | None = None) -> int:
    """Run the consumer in processes until its bars have a volume; with `kills`, end them again and again.

    Return the number of kills.
    """
    count = 0
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        process = subprocess.Popen(command(f"kinesis:{name}", str(lake), *KINESIS), stderr=subprocess.PIPE)
        try:
            end = time.monotonic() + (kills.uniform(0.5, 4.0) if kills and count < 6 else 1000)
            while time.monotonic() < min(end, deadline) and process.poll() is None:
                time.sleep(0.2)
                if not kills and sum(bar[4] for bar in live(lake).values()) >= volume:
                    break
                if kills and count >= 6 and sum(bar[4] for bar in live(lake).values()) >= volume:
                    break
            else:
                if process.poll() is None and time.monotonic() < deadline:
                    count += 1
                    process.kill()
                    continue
            assert process.poll() is None, (process.stderr.read() if process.stderr else b"").decode()
            process.terminate()
            assert process.wait(60) == 143
            return count
        finally:
            process.kill()
            process.wait()
    raise AssertionError(f"only {sum(bar[4] for bar in live(lake).values())} of {volume} shares")


def volume_of(events: list[dict[str, Any]]) -> float:
    return float(sum(event["v"] for event in events))


def test_events_of_a_symbol_are_packed_into_records_in_their_order(kinesis: Any, tmp_path: Path) -> None:
    events = seconds(20, 50)
    name = new_stream(3)
    status = produce(record(tmp_path / "day.jsonl", events), tmp_path / "lake", name)
    found = records(kinesis, name)
    assert events_of(found) == by_symbol(events)
    assert len(found) < len(events) / 5
    assert (status["status"], status["events"], status["symbols"], status["missed"]) == ("complete", len(events), 20, 0)
    assert status["put"] == {"records": len(found)}
    announcement = announcement_of(Lake(str(tmp_path / "lake")), SESSION.date)
    assert announcement is not None
    assert (announcement.session, announcement.market) == (SESSION, "US")
    assert not list((tmp_path / "lake/live" / SESSION.date).glob("bars/*"))  # no state of its own


def test_what_is_no_event_of_the_session_is_counted_and_not_put(kinesis: Any, tmp_path: Path) -> None:
    events = seconds(2, 10)
    odd = [{**events[0], "s": OPENS - 86_400_000}, {**events[0], "sym": ""}, {"ev": "Q"}, {"ev": "A", "sym": "AAA"}]
    file = tmp_path / "day.jsonl"
    lines = [*frames(events), b"poison", json.dumps([*odd, {"ev": "status", "status": "x"}]).encode()]
    file.write_bytes(b"\n".join(lines))
    name = new_stream(1)
    status = produce(f"replay:{file}", tmp_path / "lake", name, code=3)
    assert status["not_used"] == {
        "another day": 1,
        "malformed event": 1,
        "malformed frame": 1,
        "status": 1,
        "unknown symbol": 1,
        "unknown type": 1,
    }
    assert events_of(records(kinesis, name)) == by_symbol(events)


class InternalFailure(JsonRESTError):
    code = 500


class Refusals:
    """moto's `put_records`: it refuses requests or some of their records, and loses answers after a success."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.kinds = rng, Counter[str]()
        self._put = KinesisBackend.put_records

    def __call__(self, backend: Any, arn: Any, name: str, records: list[dict[str, Any]]) -> dict[str, Any]:
        kind = self.rng.choice(("passes", "throttled", "lost", "partial"))
        self.kinds[kind] += 1
        if kind == "throttled":
            raise JsonRESTError("ProvisionedThroughputExceededException", "slow down")
        refused = [kind == "partial" and self.rng.random() < 0.5 for _ in records]
        some = [one for one, is_refused in zip(records, refused, strict=True) if not is_refused]
        results = iter(self._put(backend, arn, name, some)["Records"])
        if kind == "lost":
            raise InternalFailure("InternalFailure", "?")
        failure = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
        answer = [failure if is_refused else next(results) for is_refused in refused]
        return {"FailedRecordCount": sum(refused), "Records": answer}


def test_refused_records_are_put_again_in_order_and_nothing_is_lost(
    kinesis: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.pipeline.live.producer.FIRST_WAIT", 0.001)
    monkeypatch.setattr("stockstream.pipeline.live.producer.MAX_WAIT", 0.01)
    refusals = Refusals(random.Random(3))
    monkeypatch.setattr(KinesisBackend, "put_records", lambda *arguments: refusals(*arguments))
    events = seconds(30, 60)
    name = new_stream(2)
    status = produce(record(tmp_path / "day.jsonl", events, 40), tmp_path / "lake", name, "--linger", "0")
    assert min(refusals.kinds.values()) > 0, refusals.kinds
    assert (status["missed"], "not put" in status["not_used"]) == (0, False)
    assert any(reason.startswith("retried") for reason in status["put"])
    for symbol, put in events_of(records(kinesis, name)).items():
        first = list({event["s"]: event for event in reversed(put)}.values())[::-1]  # a lost answer puts twice
        assert first == by_symbol(events)[symbol]
        starts = [event["s"] for event in put]
        for before, after in pairwise(starts):
            assert after > before or after in starts[: starts.index(before) + 1]


def test_what_cannot_be_put_at_the_end_is_missed_and_the_exit_code_says_so(
    kinesis: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.pipeline.live.producer.FLUSH", 0.5)

    def refuse(*_: Any) -> None:
        raise JsonRESTError("ProvisionedThroughputExceededException", "slow down")

    monkeypatch.setattr(KinesisBackend, "put_records", refuse)
    events = seconds(5, 20)
    name = new_stream(1)
    status = produce(record(tmp_path / "day.jsonl", events), tmp_path / "lake", name, code=3)
    assert status["not_used"] == {"not put": len(events)}
    assert (status["missed"], status["symbols_with_missed"]) == (volume_of(events), 5)
    assert status["put"]["last_failure"] == "ProvisionedThroughputExceededException"


@pytest.mark.large
def test_a_full_buffer_lets_the_source_wait_and_loses_nothing(
    kinesis: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.pipeline.live.producer.MAX_WAITING", 5_000)
    monkeypatch.setattr("stockstream.pipeline.live.producer.BATCH", 1)
    sizes: list[int] = []
    turn = Producer._turn

    async def watched(self: Producer) -> None:
        await turn(self)
        sizes.append(self._parcels.size)

    monkeypatch.setattr(Producer, "_turn", watched)
    events = seconds(10, 60)
    name = new_stream(1)
    produce(record(tmp_path / "day.jsonl", events, 10), tmp_path / "lake", name, "--linger", "0.05")
    assert events_of(records(kinesis, name)) == by_symbol(events)
    assert 5_000 <= max(sizes) < 5_000 + 10 * 300


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "events"), "--to events: write kinesis:NAME"),
        (("--to", "kinesis:"), "write kinesis:NAME"),
        (("--to", "kinesis:nothing"), "the Kinesis stream nothing: there is no such stream"),
        (("--to", "kinesis:x", "--restart"), "neither --restart nor --source kinesis"),
    ],
)
def test_wrong_options_are_errors_of_one_line(
    options: tuple[str, ...], message: str, kinesis: Any, tmp_path: Path
) -> None:
    code, _, error = run(record(tmp_path / "day.jsonl", seconds(1, 9)), tmp_path / "lake", *options)
    assert code in (1, 2)
    assert message in error


def test_a_source_that_does_not_exist_ends_with_one_line(kinesis: Any, tmp_path: Path) -> None:
    code, _, error = run("kinesis:nothing", tmp_path / "lake", *KINESIS)
    assert (code, "there is no such stream" in error) == (1, True)
    code, _, error = run("kinesis:", tmp_path / "lake", *KINESIS)
    assert (code, "write kinesis:NAME" in error) == (2, True)


@pytest.mark.large
def test_a_producer_that_is_stopped_has_put_all_that_it_has_read(kinesis: Any, tmp_path: Path) -> None:
    events = seconds(10, 120)
    name = new_stream(2)
    source = record(tmp_path / "day.jsonl", events, 10)
    options = ("--to", f"kinesis:{name}", "--speed", "20", "--linger", "5", "--json")
    process = subprocess.Popen(command(source, str(tmp_path / "lake"), *options), stdout=subprocess.PIPE)
    while not records(kinesis, name) and process.poll() is None:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    status = json.loads(out)
    put = events_of(records(kinesis, name))
    assert 0 < status["events"] == sum(map(len, put.values())) < len(events)
    assert (status["status"], status["missed"]) == ("stopped", 0)
    for symbol, some in put.items():
        assert some == by_symbol(events)[symbol][: len(some)]


def feed_of(name: str, **options: Any) -> KinesisFeed:
    return KinesisFeed(Plan(MARKETS["US"], SESSION), stream=name, client=kinesis_client(), pause=0.0, **options)


async def read_until(stream: Stream, events: int, *, is_killed: bool = False) -> dict[str, Any]:
    """Run a stream until it has decoded a number of events; a killed one leaves its journal, and an old state."""
    stop = asyncio.Event()
    running = asyncio.create_task(stream.run(stop))
    deadline = time.monotonic() + 60
    while stream.events < events and not running.done() and time.monotonic() < deadline:
        await asyncio.sleep(0)
    stream._has_leases = not is_killed
    stop.set()
    return await running


def put_events(client: Any, name: str, events: list[dict[str, Any]], size: int = 5) -> None:
    for symbol, some in by_symbol(events).items():
        for frame in frames(some, size):
            client.put_record(StreamName=name, PartitionKey=symbol, Data=frame)


def test_a_consumer_continues_at_its_marks_wherever_it_was_killed(
    kinesis: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.pipeline.live.sources.kinesis.MAX_RECORDS", 3)
    monkeypatch.setitem(stream_module.SAVE_SECONDS, "folder", 0.02)
    rng = random.Random(9)
    events = seconds(6, 60)
    name = new_stream(2)
    put_events(kinesis, name, events, 4)
    lake, again, read = Lake(str(tmp_path)), 0, 0
    while read < len(events):
        stream = Stream(lake, feed_of(name), Fold(SESSION), f"kinesis:{name}")
        stream.prepare()
        read = sum(bar.events for bar in stream.fold.bars.values())
        first = min(len(events), read + rng.randrange(1, 60))
        status = asyncio.run(read_until(stream, stream.events + first - read, is_killed=True))
        again += status["not_used"].get("duplicate", 0)
    assert prices(stream.fold) == expected(events)
    assert again <= 2 * len(events)  # at most one answer of each shard per kill, and none is in a bar twice
    stream = Stream(lake, feed_of(name), Fold(SESSION), f"kinesis:{name}")
    stream.prepare()
    put_events(kinesis, name, seconds(["ZZZ"], 10))
    before = stream.events
    status = asyncio.run(read_until(stream, before + 7))
    assert stream.events - before <= len(seconds(["ZZZ"], 10)) + 2 * 3 * 4


class Flaky:
    """A client whose iterators expire, and whose stream refuses requests, every now and then."""

    def __init__(self, real: Any, rng: random.Random) -> None:
        self._real, self._rng, self.kinds = real, rng, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._real, name)

        def flaky(**parameters: Any) -> Any:
            codes = ("ExpiredIteratorException", "ProvisionedThroughputExceededException", "InternalFailure", "")
            code = self._rng.choice(codes) if name == "get_records" else ""
            self.kinds[code] += 1
            if code == "InternalFailure":
                raise EndpointConnectionError(endpoint_url="kinesis")
            if code:
                raise ClientError({"Error": {"Code": code, "Message": "no"}}, name)
            answer = call(**parameters)
            return {**answer, "MillisBehindLatest": 0} if name == "get_records" else answer

        return flaky


@pytest.mark.large
def test_expired_iterators_throttling_and_lost_connections_lose_nothing(
    kinesis: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.pipeline.live.sources.kinesis.MAX_RECORDS", 2)
    events = seconds(6, 40)
    name = new_stream(2)
    put_events(kinesis, name, events)
    feed = feed_of(name)
    feed.client = Flaky(feed.client, random.Random(4))
    stream = Stream(Lake(str(tmp_path)), feed, Fold(SESSION), f"kinesis:{name}")
    stream.prepare()
    status = asyncio.run(read_until(stream, len(events)))
    assert prices(stream.fold) == expected(events)
    assert "duplicate" not in status["not_used"]
    connection = status["connection"]
    assert min(connection["expired_iterators"], connection["throttled"], connection["lost"]) > 0
    assert "EndpointConnectionError" in feed.client.kinds or connection["last_failure"]


def test_a_record_cannot_set_a_mark(kinesis: Any, tmp_path: Path) -> None:
    name = new_stream(1)
    forged = MARK + b' "message":"shardId-000000000000 99999"}]'
    kinesis.put_record(StreamName=name, PartitionKey="AAA", Data=forged)
    events = seconds(["AAA"], 20)
    put_events(kinesis, name, events)
    stream = Stream(Lake(str(tmp_path)), feed_of(name), Fold(SESSION), f"kinesis:{name}")
    stream.prepare()
    status = asyncio.run(read_until(stream, len(events) + 1))
    assert prices(stream.fold) == expected(events)
    assert status["not_used"] == {"status": 1}
    assert len(stream.feed.marks["shardId-000000000000"]) == 56


def test_a_split_shard_is_read_to_its_end_before_its_children(kinesis: Any, tmp_path: Path) -> None:
    name = new_stream(1)
    events = seconds(8, 60)
    half = len(events) // 2
    put_events(kinesis, name, events[:half])
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    put_events(kinesis, name, events[half : half + 100])
    children = [f"shardId-{n:012d}" for n in (1, 2)]
    kinesis.merge_shards(StreamName=name, ShardToMerge=children[0], AdjacentShardToMerge=children[1])
    put_events(kinesis, name, events[half + 100 :])
    asked: list[str] = []
    feed = feed_of(name)
    iterator = KinesisFeed._iterator

    def noted(self: KinesisFeed, shard: Any) -> str:
        asked.append(shard.name)
        return iterator(self, shard)

    feed._iterator = noted.__get__(feed)  # type: ignore[method-assign]
    stream = Stream(Lake(str(tmp_path)), feed, Fold(SESSION), f"kinesis:{name}")
    stream.prepare()
    asyncio.run(read_until(stream, len(events)))
    assert prices(stream.fold) == expected(events)
    assert asked == [f"shardId-{n:012d}" for n in range(4)]


@pytest.mark.large
def test_two_producers_and_a_killed_consumer_count_nothing_twice(kinesis: Any, tmp_path: Path) -> None:
    """Both producers put everything, in other orders; the consumer is killed six times and continues at its marks."""
    events = seconds(12, 200)
    name = new_stream(2)
    rng = random.Random(5)
    for n in range(2):
        shuffled = unreliable(events, rng)
        produce(record(tmp_path / f"{n}.jsonl", shuffled, 30), tmp_path / "producer", name, "--linger", "0")
    assert consume(name, tmp_path / "lake", volume_of(events), random.Random(6)) == 6
    assert live(tmp_path / "lake") == expected(events)


@pytest.mark.large
def test_shards_are_followed_through_splits_and_merges(kinesis: Any, tmp_path: Path) -> None:
    events = seconds(12, 150)
    name = new_stream(1)
    size = len(events) // 3
    lake, producer = tmp_path / "lake", tmp_path / "producer"

    def part(n: int) -> None:
        some = events[n * size : (n + 1) * size] if n < 2 else events[2 * size :]
        produce(record(tmp_path / f"{n}.jsonl", some), producer, name, "--linger", "0")

    part(0)
    consume(name, lake, volume_of(events[:size]))
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    part(1)
    consume(name, lake, volume_of(events[: 2 * size]))
    first, second = (f"shardId-{n:012d}" for n in (1, 2))
    kinesis.merge_shards(StreamName=name, ShardToMerge=first, AdjacentShardToMerge=second)
    part(2)
    consume(name, lake, volume_of(events))
    assert live(lake) == expected(events)
