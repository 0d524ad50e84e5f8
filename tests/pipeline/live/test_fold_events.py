"""The function that folds events: redelivery with other borders, poison records, a throttled table, wrong clocks."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from botocore.awsrequest import AWSResponse

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.handlers import fold_events
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live import items
from stockstream.pipeline.live.announcement import announcement_of
from stockstream.pipeline.live.bar import Bar
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.items import ItemTable
from stockstream.pipeline.live.raw_events import SEEDS
from tests.pipeline.live.cloud import announced, client, kinesis_event, kinesis_record, new_table, sequence_of
from tests.pipeline.live.feed import OPENS, SESSION, expected, frames, names, seconds, unreliable
from tests.pipeline.live.test_fold import prices
from tests.pipeline.test_handlers import Context
from tests.s3_server import S3Server

SYMBOLS = names(8)


@pytest.fixture
def lake(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    uri = f"s3://{s3.new_bucket()}/lake"
    monkeypatch.setenv("STOCKSTREAM_LAKE", uri)
    monkeypatch.setenv("LIVE_TABLE", new_table())
    settings.cache_clear()
    lake = Lake(uri)
    announced(lake, SYMBOLS)
    yield lake
    fold_events._opened.cache_clear()


def invoke(*records: dict[str, Any]) -> list[str]:
    """Return the sequence numbers that the function reports as failed."""
    answer = fold_events.handler(kinesis_event(records), Context([60]))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def stored(lake: Lake) -> dict[str, Bar]:
    announcement = announcement_of(lake, SESSION.date)
    assert announcement is not None
    table = ItemTable(client(), settings().live_table or "", announcement.fold)
    return table.bars(SYMBOLS)


def prices_of(bars: dict[str, Bar]) -> Any:
    fold = Fold(SESSION)
    fold.bars = bars
    return prices(fold)


def raw(lake: Lake) -> list[dict[str, Any]]:
    keys = lake.store.list("raw_events/arrivals/")
    objects = [gzip.decompress(stored.data) for key in keys if (stored := lake.store.get(key))]
    return [json.loads(line) for data in objects for line in data.splitlines()]


def metrics(text: str) -> Counter[str]:
    """Return the sums of the metrics in the lines that a function has printed; also by reason."""
    sums: Counter[str] = Counter()
    for line in text.splitlines():
        if '"_aws"' in line:
            blob = json.loads(line)
            (name,) = (one["Name"] for one in blob["_aws"]["CloudWatchMetrics"][0]["Metrics"])
            reason = f": {blob['reason']}" if "reason" in blob else ""
            sums[name + reason] += sum(blob[name])
    return sums


def test_batches_delivered_again_with_other_borders_change_no_bar(lake: Lake) -> None:
    rng = random.Random(16)
    events = seconds(8, 60)
    records = [kinesis_record(n, frame) for n, frame in enumerate(frames(unreliable(events, rng), 12))]
    done = 0
    while done < len(records):
        first, size = max(0, done - rng.choice((0, 0, 2, 9))), rng.randrange(1, 9)
        assert invoke(*records[first : done + size]) == []
        done += size
    assert invoke(*records[-9:]) == []
    assert prices_of(stored(lake)) == expected(events)
    assert {bar.missed for bar in stored(lake).values()} == {0.0}
    texts = {(row["symbol"], row["event"]) for row in raw(lake)}
    assert texts == {(event["sym"], json.dumps(event)) for event in events}


def test_the_same_batch_puts_its_raw_events_once(lake: Lake) -> None:
    records = [kinesis_record(n, frame) for n, frame in enumerate(frames(seconds(8, 10), 12))]
    invoke(*records)
    before = lake.store.list("raw_events/")
    invoke(*records)
    assert lake.store.list("raw_events/") == before
    assert [key for key in before if key not in SEEDS] == [
        f"raw_events/arrivals/date=2026-11-25/hour=14/{0:012d}-{10**55}-{10**55 + len(records) - 1}.jsonl.gz"
    ]


ONE = seconds(["AAA"], 9)[0]
POISON = [
    b"",
    b"\xff\xfe",
    b"[" * 5000,
    b"null",
    b'{"type": "pricing", "message": "AAAA"}',
    b'{"symbol": "AAA", "price": 1}',
    b'[{"ev": "A", "sym": "AAA"}]',
    b'[{"ev": "Q", "sym": "AAA"}]',
    json.dumps([{**ONE, "s": 10**18}]).encode(),
    json.dumps([{**ONE, "s": OPENS - 86_400_000}]).encode(),
    json.dumps([{**ONE, "s": OPENS + 86_400_000}]).encode(),
    json.dumps([{**ONE, "h": -1}]).encode(),
    json.dumps([{**ONE, "v": 1e300}]).encode(),
    json.dumps([{**ONE, "sym": "X" * 5000}]).encode(),
    b'[{"ev": "A", "sym": "AAA", "v": NaN}]',
]


def test_poison_records_are_counted_by_reason_and_block_nothing(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    events = seconds(8, 12)
    good = frames(events, 10)
    mixed = [one for pair in zip(POISON, good + good[: len(POISON) - len(good)], strict=True) for one in pair]
    records = [kinesis_record(n, data) for n, data in enumerate(mixed)]
    assert invoke(*records) == []
    assert prices_of(stored(lake)) == expected(events)
    counted = metrics(capsys.readouterr().out)
    reasons = {name.partition(": ")[2]: n for name, n in counted.items() if name.startswith("RejectedEventsByReason")}
    assert reasons == {
        "malformed frame": 4,
        "unknown type": 2,
        "malformed event": 3,
        "another day": 3,
        "impossible price": 1,
        "impossible volume": 1,
        "unknown symbol": 1,
    }
    assert counted["RejectedEvents"] == len(POISON)
    assert sum(row["symbol"] is None for row in raw(lake)) == 9


class Throttle:
    """A handler of botocore that answers the writes of some symbols as a table with too little capacity does."""

    def __init__(self, symbols: set[str]) -> None:
        self.symbols, self.refused = symbols, Counter[str]()

    def __call__(self, request: Any, **_: Any) -> AWSResponse | None:
        content = json.loads(request.body)
        symbol = content["Item"]["symbol"]["S"]
        if symbol not in self.symbols:
            return None
        self.refused[symbol] += 1
        error = {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "no"}
        body = io.BytesIO(json.dumps(error).encode())
        body.stream = lambda *_, **__: iter([body.getvalue()])  # type: ignore[attr-defined]
        return AWSResponse(request.url, 400, {}, body)


@pytest.fixture
def throttle(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Throttle:
    values = settings()
    batches, _ = fold_events._opened(values.lake_uri, values.live_table or "", values.market)
    throttle = Throttle(set())
    batches._client.meta.events.register("before-send.dynamodb.PutItem", throttle)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.001)
    return throttle


def test_a_throttled_table_fails_the_records_from_the_first_that_is_not_in_it(lake: Lake, throttle: Throttle) -> None:
    """The symbols of the records before are written, and the next delivery folds only what is missing."""
    events = seconds(["AAA", "AAB", "AAC"], 30)
    records = [kinesis_record(n, json.dumps([event]).encode(), shard=3) for n, event in enumerate(events)]
    throttle.symbols = {"AAB"}
    first = next(n for n, event in enumerate(events) if event["sym"] == "AAB")
    assert invoke(*records) == [sequence_of(records[first])]
    assert throttle.refused == {"AAB": 6}  # the SDK tries again
    kept = expected([event for event in events if event["sym"] != "AAB"])
    assert prices_of(stored(lake)) == kept
    throttle.symbols = set()
    assert invoke(*records[first : first + 7]) == []
    assert invoke(*records[first:]) == []
    assert prices_of(stored(lake)) == expected(events)


def test_without_the_lake_the_whole_batch_is_delivered_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise LakeError("cannot write: access denied")

    events = seconds(8, 5)
    records = [kinesis_record(n, frame) for n, frame in enumerate(frames(events, 10))]
    with monkeypatch.context() as patched:
        patched.setattr("stockstream.pipeline.store.s3.S3Store.put", refuse)
        assert invoke(*records) == [sequence_of(records[0])]
    assert stored(lake) == {}
    assert invoke(*records) == []
    assert prices_of(stored(lake)) == expected(events)


def test_the_clock_of_the_function_decides_nothing(lake: Lake) -> None:
    events = seconds(8, 20)
    records = [kinesis_record(n, frame) for n, frame in enumerate(frames(events, 10))]
    for n, moment in enumerate(("2026-11-24", "2026-11-25", "2026-11-27", "2026-12-03")):
        with time_machine.travel(f"{moment} 12:00", tick=True):
            assert invoke(*records[4 * n : 4 * n + 4]) == []
    invoke(*records[16:])
    assert prices_of(stored(lake)) == expected(events)


def test_an_event_from_the_future_does_not_make_the_others_late(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    events = seconds(["AAA"], 60)
    ahead = {**events[-1], "s": OPENS + 3_600_000}
    arrived_at = OPENS / 1000 + 60
    records = [kinesis_record(n, frame, arrived_at=arrived_at) for n, frame in enumerate(frames([ahead, *events], 5))]
    assert invoke(*records) == []
    assert prices_of(stored(lake)) == expected(events)
    assert metrics(capsys.readouterr().out)["RejectedEventsByReason: ahead of the clock"] == 1


def test_two_producers_do_not_count_twice_even_with_other_kinds_of_events(lake: Lake) -> None:
    events = seconds(["AAA"], 120)
    minutes = [{**event, "ev": "AM", "s": OPENS + 60_000 * n} for n, event in enumerate(events[:2])]
    both = [pair for event in events for pair in (event, event)]
    records = [kinesis_record(n, frame) for n, frame in enumerate(frames(both, 7))]
    invoke(*records[:5])
    invoke(kinesis_record(5_000_000, json.dumps(minutes).encode(), shard=0))  # alone in its batch
    item = client().get_item(
        TableName=settings().live_table, Key={"symbol": {"S": "AAA"}, "session": {"S": SESSION.date}}
    )["Item"]
    assert item["kind"] == {"S": "A"}
    assert float(item["volume"]["N"]) == sum(event["v"] for event in events[:18])


def test_after_a_split_of_the_shard_positions_go_on_though_sequence_numbers_begin_again(lake: Lake) -> None:
    events = seconds(8, 30)
    records = [kinesis_record(n, frame, 1) for n, frame in enumerate(frames(events[:100], 10), 500)]
    invoke(*records)
    child = [kinesis_record(n, frame, 4) for n, frame in enumerate(frames(events[80:], 10))]
    invoke(*child)
    invoke(*records[3:])  # the parent again
    assert prices_of(stored(lake)) == expected(events)


def test_an_item_that_dynamodb_refuses_blocks_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trades: their identities of 15 minutes do not fit into an item of 400 KB."""
    trades = [
        {"ev": "T", "sym": "AAA", "p": 10.0, "s": 1, "t": OPENS + n, "i": f"{n:040d}", "x": 4, "q": n}
        for n in range(9000)
    ]
    invoke(*(kinesis_record(n, frame) for n, frame in enumerate(frames(trades, 1000))))
    assert metrics(capsys.readouterr().out)["RejectedEventsByReason: item refused"] == 1
    events = [event for event in seconds(8, 5) if event["sym"] != "AAA"]
    assert invoke(*(kinesis_record(n, frame) for n, frame in enumerate(frames(events, 10), 9))) == []
    assert prices_of(stored(lake)) == expected(events)


def test_an_expired_item_is_none_although_it_is_still_there(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    events = seconds(8, 20)
    records = [kinesis_record(n, frame) for n, frame in enumerate(frames(events, 10))]
    monkeypatch.setattr(items, "KEPT_SECONDS", -1)
    invoke(*records[:3])
    assert stored(lake) == {}
    monkeypatch.setattr(items, "KEPT_SECONDS", 1000)
    invoke(*records)
    assert prices_of(stored(lake)) == expected(events)


def test_what_is_no_event_of_a_stream_is_an_error_of_one_line(lake: Lake) -> None:
    for event in ({}, {"Records": [{"s3": {}}]}, {"Records": 1}):
        with pytest.raises(Exception, match="no event of a Kinesis stream"):
            fold_events.handler(event, Context([60]))


def test_the_name_of_the_table_is_needed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVE_TABLE")
    settings.cache_clear()
    with pytest.raises(Exception, match="set LIVE_TABLE"):
        fold_events.handler({"Records": []}, Context([60]))
