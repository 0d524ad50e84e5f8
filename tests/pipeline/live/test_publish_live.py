"""The function that publishes live bars: items → states in the lake, which every shell reads; repairs; metrics."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any

import boto3
import pytest

from stockstream.analytics import connect
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.handlers import publish_live
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live import items
from stockstream.pipeline.live.item_repair import ItemRepairs
from stockstream.pipeline.live.lease import Lease
from stockstream.pipeline.live.publication import sessions_to_publish
from tests.pipeline.live.cloud import US, announced, kinesis_record
from tests.pipeline.live.feed import DAY, OPENS, SESSION, expected, frames, seconds
from tests.pipeline.live.test_fold_events import SYMBOLS, invoke, lake, metrics
from tests.pipeline.live.test_stream import bars_of, run
from tests.pipeline.test_handlers import Context
from tests.polygon_vendor import Vendor, ok

__all__ = ["lake"]
EVENTS = seconds(8, 60)
RECORDS = [kinesis_record(n, frame) for n, frame in enumerate(frames(EVENTS, 10))]
NOON = "2026-11-25T17:00:00Z"


def publish(now: str = NOON) -> dict[str, Any]:
    """Run the function and return its result about the session."""
    (session,) = publish_live.handler({"now": now}, Context([60]))["sessions"]
    return session  # type: ignore[no-any-return]


def states(lake: Lake) -> list[str]:
    return list(lake.store.list(f"live/{SESSION.date}/bars/"))


def test_the_items_become_the_views_and_are_written_only_if_they_have_changed(lake: Lake) -> None:
    assert publish()["state"] is None  # no item yet
    invoke(*RECORDS[:20])
    first = publish()
    assert first["state"] == f"live/{SESSION.date}/bars/000001.json"
    assert (first["symbols"], first["missed"]) == (8, 0)
    for records in ((), RECORDS[:20]):  # nothing, and what is in the items already
        if records:
            invoke(*records)
        assert publish()["state"] is None
    invoke(*RECORDS[20:])
    assert publish()["state"] == f"live/{SESSION.date}/bars/000002.json"
    with connect(lake.uri) as con:
        assert bars_of(con) == expected(EVENTS)
        rows = con.execute("SELECT symbol, close, source, change_percent FROM live ORDER BY symbol").fetchall()
        merged = con.execute("SELECT symbol, close FROM bars_live ORDER BY symbol").fetchall()
    assert merged == [row[:2] for row in rows]
    assert {row[2] for row in rows} == {f"dynamodb:{settings().live_table}"}
    for _, close, _, change in rows:
        assert change == pytest.approx(close - 100, rel=1e-12)


def test_what_has_expired_is_not_published(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "KEPT_SECONDS", -1)
    invoke(*RECORDS)
    assert (publish()["symbols"], states(lake)) == (0, [])


@pytest.mark.large
def test_a_session_that_another_machine_streams_is_left_to_it(lake: Lake, tmp_path: Any) -> None:
    invoke(*RECORDS[:9])
    lease = Lease(lake.store, f"live/{SESSION.date}/lease.json", "the session")
    lease.acquire()
    assert "has the session" in publish()["refused"]
    lease.release()
    file = tmp_path / "day.jsonl"
    file.write_bytes(b"\n".join(frames(EVENTS)))
    assert run(f"replay:{file}", lake.uri)[0] == 0
    before = states(lake)
    assert publish()["refused"] == f"the live bars of {SESSION.date} are from replay:{file}"
    assert states(lake) == before


def test_a_stream_does_not_continue_a_published_session(lake: Lake, tmp_path: Any) -> None:
    """The positions of its bars are those of another log."""
    invoke(*RECORDS[:9])
    publish()
    file = tmp_path / "day.jsonl"
    file.write_bytes(b"\n".join(frames(EVENTS)))
    code, _, message = run(f"replay:{file}", lake.uri)
    assert code == 2
    assert f"the live bars of {SESSION.date} are from dynamodb:" in message


def test_metrics_say_how_long_the_feed_is_silent_also_before_its_first_event(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    lake.prepare(US, DAY)
    open_at = "2026-11-25T14:30:00Z"

    def silence(now: str) -> float | None:
        publish_live.handler({"now": now}, Context([60]))
        return metrics(capsys.readouterr().out).get("SecondsSinceEvent")

    assert silence("2026-11-25T14:29:59Z") is None
    assert silence(open_at) == 0
    assert silence("2026-11-25T14:32:30Z") == 150
    invoke(*RECORDS)
    assert silence("2026-11-25T14:32:30Z") == pytest.approx(90, abs=2)  # the newest event ends after a minute
    assert silence("2026-11-25T21:00:00Z") is None
    assert silence("2026-11-26T16:00:00Z") is None  # Thanksgiving


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(publish_live, "_repairs", ItemRepairs())
    with Vendor() as vendor:
        monkeypatch.setenv("STOCKSTREAM_POLYGON_URL", vendor.url)
        monkeypatch.setenv("STOCKSTREAM_POLYGON_CALLS_PER_MINUTE", "6000")
        monkeypatch.setenv("POLYGON_API_KEY", "good-key")
        settings.cache_clear()
        yield vendor


def answers(vendor: Vendor, events: list[dict[str, Any]]) -> None:
    for symbol in SYMBOLS:
        rows = [
            {"t": event["s"], **{name: event[name] for name in "vohlc"}} for event in events if event["sym"] == symbol
        ]
        path = f"/v2/aggs/ticker/{symbol}/range/1/second/{SESSION.day_from}/{SESSION.day_until - 1}"
        vendor.routes[path] = lambda _, rows=rows: ok(rows)  # type: ignore[misc]


def test_missed_events_are_repaired_from_the_rest_api_that_lags(
    lake: Lake, vendor: Vendor, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer ends 15 seconds before the newest event: what came since is in the raw events."""
    kept = [event for event in EVENTS if not OPENS + 10_000 <= event["s"] < OPENS + 20_000]
    lost = sum(event["v"] for event in EVENTS) - sum(event["v"] for event in kept)
    answers(vendor, [event for event in EVENTS if event["s"] < OPENS + 45_000])
    invoke(*(kinesis_record(n, frame) for n, frame in enumerate(frames(kept, 10))))
    capsys.readouterr()
    result = publish()
    assert result["repairs"] == {"repaired": 8}
    assert (result["missed"], result["symbols_with_missed"]) == (0, 0)
    with connect(lake.uri) as con:
        assert bars_of(con) == expected(EVENTS)
    assert metrics(capsys.readouterr().out)["RepairedBars"] == 8
    invoke(*(kinesis_record(n, frame) for n, frame in enumerate(frames(kept, 10))))  # all of it again
    assert publish()["state"] is None
    assert lost > 0


@pytest.mark.large
def test_a_repair_that_a_consumer_overtakes_is_not_written(lake: Lake, vendor: Vendor, monkeypatch: Any) -> None:
    events = [event for event in EVENTS if event["sym"] == "AAA"]
    kept = events[:5] + events[9:20]
    answers(vendor, events[:20])
    invoke(*(kinesis_record(n, frame) for n, frame in enumerate(frames(kept, 4))))
    replace = items.ItemTable.replace
    once = []

    def overtaken(table: Any, item: Any, bar: Any) -> bool:
        if not once:
            once.append(1)
            invoke(*(kinesis_record(n, frame) for n, frame in enumerate(frames(events[20:], 4), 100)))
        return replace(table, item, bar)

    monkeypatch.setattr(items.ItemTable, "replace", overtaken)
    assert publish()["repairs"] == {"overtaken": 1}
    answers(vendor, events)
    monkeypatch.setattr(publish_live, "_repairs", ItemRepairs())
    assert publish()["repairs"] == {"repaired": 1}
    with connect(lake.uri) as con:
        assert bars_of(con) == expected(events)


def test_without_a_key_missed_stays_and_the_bars_are_published(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    kept = EVENTS[:40] + EVENTS[80:]
    invoke(*(kinesis_record(n, frame) for n, frame in enumerate(frames(kept, 10))))
    result = publish()
    lost: Counter[str] = Counter()
    for event in EVENTS[40:80]:
        lost[event["sym"]] += event["v"]
    assert (result["missed"], result["symbols_with_missed"]) == (sum(lost.values()), len(lost))
    assert result["state"]
    assert metrics(capsys.readouterr().out)["MissedShares"] == sum(lost.values())


@pytest.mark.large
def test_a_lake_without_companies_publishes_every_item_of_the_session(lake: Lake) -> None:
    lake.store.delete([f"live/{SESSION.date}/announcement.json"])
    announced(lake, [])
    invoke(*RECORDS)
    assert publish()["symbols"] == 8
    with connect(lake.uri) as con:
        assert bars_of(con) == expected(EVENTS)


def test_old_sessions_are_not_read_every_minute(lake: Lake) -> None:
    def found(now: str) -> list[str]:
        return [one.session.date for one in sessions_to_publish(lake, datetime.fromisoformat(now))]

    assert found("2026-11-25T20:59:00Z") == found("2026-11-25T22:29:00Z") == [SESSION.date]
    assert found("2026-11-25T22:31:00Z") == []
    announced(lake, SYMBOLS, source="replay:day.jsonl")
    assert found("2026-11-27T22:31:00Z") == [SESSION.date]


def test_alert_rules_run_on_the_published_bars_and_sns_has_each_alert_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("ALERT_TOPIC_ARN", topic)
    settings.cache_clear()
    lake.prepare(US, DAY)
    event = {**EVENTS[0], "s": OPENS, "c": 120.0, "o": 100.0, "h": 120.0, "l": 100.0, "op": 100.0, "av": EVENTS[0]["v"]}
    invoke(kinesis_record(0, json.dumps([event]).encode()))  # the previous close is 100
    capsys.readouterr()
    at = "2026-11-25T14:30:20Z"
    first = publish(at)["alerts"]
    assert first["by_rule"] == {"move": 1}
    again = publish(at)["alerts"]
    assert (again["new"], again["by_rule"]) == (0, first["by_rule"])
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    bodies = [json.loads(one["Body"])["Message"] for one in messages]
    assert len(bodies) == first["delivery"]["sns"]["messages"] == 1
    assert any(event["sym"] in body for body in bodies)
    counted = metrics(capsys.readouterr().out)
    assert (counted["Alerts"], counted["UndeliveredAlerts"]) == (first["new"], 0)
