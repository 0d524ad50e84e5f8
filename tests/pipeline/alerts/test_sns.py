"""The channel `sns` against moto's server: subscriptions of SQS queues with filter policies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import boto3
import pytest
from moto.sns.models import SNSBackend

from stockstream.pipeline.alerts.channels.base import Message
from stockstream.pipeline.alerts.channels.sns import (
    MAX_BYTES,
    MAX_ENTRIES,
    entries_of,
    requests_of,
    size_of,
)
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.notifier import ChannelReport, Notifier
from stockstream.pipeline.configuration import settings
from tests.pipeline.alerts.conftest import Memory
from tests.pipeline.alerts.test_webhook import SECONDS, alert
from tests.s3_server import S3Server

Queue = Callable[[dict[str, Any] | None], Callable[[], list[dict[str, Any]]]]


@pytest.fixture
def topic(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    settings()  # names the endpoint to boto3
    arn = str(boto3.client("sns").create_topic(Name=s3.new_bucket())["TopicArn"])
    monkeypatch.setenv("ALERT_TOPIC_ARN", arn)
    return arn


@pytest.fixture
def queue(topic: str, s3: S3Server) -> Queue:
    """Return a function that subscribes a queue with a filter policy; it returns one that receives its messages."""
    sqs, sns = boto3.client("sqs"), boto3.client("sns")

    def subscribe(policy: dict[str, Any] | None) -> Callable[[], list[dict[str, Any]]]:
        url = sqs.create_queue(QueueName=s3.new_bucket())["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes = {"FilterPolicy": json.dumps(policy)} if policy else {}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)

        def received() -> list[dict[str, Any]]:
            messages: list[dict[str, Any]] = []
            while page := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                messages += [json.loads(one["Body"]) for one in page]
                for one in page:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
            return messages

        return received

    return subscribe


def alerts(names: Iterable[str], **changes: Any) -> list[Alert]:
    return [alert(name, channels=("sns",), **changes) for name in names]


def published(alerts: list[Alert], memory: Memory | None = None, attempts: int = 2) -> ChannelReport:
    notifier = Notifier(memory, attempts)
    notifier.send(alerts)
    return notifier.close(SECONDS)["sns"]


def test_subscriptions_filter_by_the_attributes(queue: Queue, memory: Memory) -> None:
    everything, critical = queue(None), queue({"severity": ["critical"]})
    bhp, rsi = queue({"symbol": ["BHP"]}), queue({"rule": [{"prefix": "rsi"}]})
    sent = [*alerts(["BHP"]), *alerts(["CBA"], severity="critical"), *alerts(["WES"], rule="rsi_14_above_70")]
    report = published(sent, memory)
    received = everything()
    documents = [json.loads(one["Message"]) for one in received]
    assert sorted(one["alerts"][0]["symbol"] for one in documents) == ["BHP", "CBA", "WES"]
    assert documents[0].keys() == {"digest", "alerts"}
    first = next(one for one in received if "CBA" in one["Message"])
    assert first["Subject"] == "stockstream critical: CBA move_5_percent"
    assert {name: one["Value"] for name, one in first["MessageAttributes"].items()} == {
        "rule": "move_5_percent",
        "severity": "critical",
        "symbol": "CBA",
        "id": "move_5_percent/CBA/2026-11-20/2026-11-20T00:10:00Z",
    }
    for take, symbol in ((critical, "CBA"), (bhp, "BHP"), (rsi, "WES")):
        (one,) = take()
        assert json.loads(one["Message"])["alerts"][0]["symbol"] == symbol
    assert (report.delivered, report.messages) == (3, 3)
    assert {key.split("/")[1] for key, _ in memory.deliveries} == {"BHP", "CBA", "WES"}


def test_up_to_ten_messages_are_one_request(queue: Queue, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    received = queue(None)
    sizes: list[int] = []
    from botocore.client import BaseClient

    whole = BaseClient._make_api_call

    def counted(self: Any, name: str, arguments: Any) -> Any:
        if name == "PublishBatch":
            sizes.append(len(arguments["PublishBatchRequestEntries"]))
        return whole(self, name, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    report = published(alerts(f"S{number}" for number in range(20)))
    assert (report.delivered, report.messages, report.digests) == (20, 20, 0)
    assert sizes == [10, 10]
    assert len(received()) == 20


def test_a_digest_reaches_who_wants_one_of_its_alerts(queue: Queue) -> None:
    critical, other, symbol = queue({"severity": ["critical"]}), queue({"rule": ["other"]}), queue({"symbol": ["S7"]})
    sent = alerts(f"S{number}" for number in range(30))
    report = published([*sent, *alerts(["CBA"], severity="critical")])
    assert (report.delivered, report.messages, report.digests) == (31, 1, 1)
    (one,) = critical()
    assert one["Subject"] == "stockstream: 31 alerts"
    assert len(json.loads(one["Message"])["alerts"]) == 31
    assert len(symbol()) == 1
    assert other() == []


def test_people_get_text_and_a_short_message_by_sms() -> None:
    (entry,) = entries_of(Message((alert("BHP", message="a\nb" * 400),)))
    by_protocol = json.loads(entry["Message"])
    assert by_protocol["email"].startswith("2026-11-20 BHP move_5_percent: a ba b")
    assert len(by_protocol["sms"]) == 160
    assert len(json.loads(by_protocol["default"])["alerts"][0]["message"]) == 1000


def test_a_digest_beyond_the_limit_becomes_several_messages_with_all_alerts() -> None:
    whole = tuple(alert(f"S{number}", message="ü" * 900) for number in range(400))
    entries = list(entries_of(Message(whole)))
    assert len(entries) > 1
    assert all(size_of(entry) <= MAX_BYTES for entry in entries)
    texts = [json.loads(json.loads(entry["Message"])["default"]) for entry in entries]
    assert [one["symbol"] for text in texts for one in text["alerts"]] == [one.symbol for one in whole]


def test_no_request_is_larger_than_sns_takes() -> None:
    """Ten of the largest messages that the channel makes, and digests, in their order."""
    messages = [Message((alert(f"S{number}", message="𝄞" * 5000),)) for number in range(25)]
    messages += [Message(tuple(alert(f"T{number}", message="x" * 900) for number in range(90)))]
    entries = [(number, entry) for number, message in enumerate(messages) for entry in entries_of(message)]
    groups = list(requests_of(entries))
    assert [number for group in groups for number, _ in group] == list(range(26))
    assert all(len(group) <= MAX_ENTRIES for group in groups)
    assert all(sum(size_of(entry) for _, entry in group) <= MAX_BYTES for group in groups)
    assert len(groups) >= 3


def test_an_alert_about_no_symbol_has_no_such_attribute(queue: Queue) -> None:
    """SNS refuses an attribute without a value."""
    received = queue(None)
    assert published(alerts([""], rule="feed_silent")).delivered == 1
    (one,) = received()
    assert "symbol" not in one["MessageAttributes"]
    assert one["Subject"] == "stockstream warning: feed_silent"


def test_a_topic_that_is_gone_is_named_and_not_tried_again(topic: str, memory: Memory) -> None:
    boto3.client("sns").delete_topic(TopicArn=topic)
    report = published(alerts(["BHP", "CBA"]), memory)
    (reason,) = report.reasons
    assert reason.startswith("SNS answers HTTP 404 NotFound: Topic does not exist")
    assert (report.failed, report.retries, memory.deliveries) == (2, 0, [])


@pytest.mark.parametrize(
    ("arn", "reason"),
    [
        ("arn:aws:sns:us-east-1:123456789012:alerts.fifo", "a FIFO topic delivers neither e-mail nor SMS"),
        ("alerts", "ALERT_TOPIC_ARN alerts is no topic: write arn:aws:sns:REGION:ACCOUNT:NAME"),
        ("arn:aws:sqs:us-east-1:123456789012:alerts", "is no topic"),
    ],
)
def test_what_is_no_topic_is_named(arn: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_TOPIC_ARN", arn)
    assert reason in str(published(alerts(["BHP"])).reasons)


def test_without_credentials_nothing_is_tried_again(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    boto3.setup_default_session()
    report = published(alerts(["BHP"]))
    assert report.reasons == {"SNS cannot be called (NoCredentialsError)": 1}
    assert report.retries == 0


@pytest.mark.parametrize(("code", "is_final"), [("InvalidParameter", True), ("Throttled", False)])
def test_a_message_that_sns_refuses_does_not_keep_back_the_others_of_its_request(
    code: str, is_final: bool, topic: str, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto refuses no valid message, and does not mention those that it cannot take."""
    whole = SNSBackend.publish_batch

    def publish_batch(self: SNSBackend, topic_arn: str, publish_batch_request_entries: list[dict[str, Any]]) -> Any:
        good = [one for one in publish_batch_request_entries if "BHP" not in one["Subject"]]
        bad = [one["Id"] for one in publish_batch_request_entries if one not in good]
        failed = [{"Id": name, "Code": code, "Message": "as the test says", "SenderFault": True} for name in bad]
        return whole(self, topic_arn, good)[0], failed

    monkeypatch.setattr(SNSBackend, "publish_batch", publish_batch)
    report = published(alerts(["BHP", "CBA"]), memory)
    assert report.reasons == {f"SNS refuses the message: {code}: as the test says": 1}
    assert (report.delivered, report.failed, report.retries) == (1, 1, 0 if is_final else 1)
    assert memory.deliveries == [("move_5_percent/CBA/2026-11-20/2026-11-20T00:10:00Z", "sns")]


def test_a_message_that_sns_does_not_mention_is_not_delivered(
    topic: str, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.pipeline.alerts.channels.sns.MAX_SUBJECT", 200)  # the limit of SNS is 100
    report = published([*alerts(["BHP"], rule="r" * 120), *alerts(["CBA"])], memory)
    assert report.reasons == {"SNS has not confirmed the message": 1}
    assert (report.delivered, report.failed, report.retries) == (1, 1, 1)
