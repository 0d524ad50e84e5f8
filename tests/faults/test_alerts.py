"""Deliveries of alerts under faults: a receiver that fails at each request in turn, SNS whose requests break, kills."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import boto3
import pytest

from stockstream.pipeline.alerts.channels.sns import Sns
from stockstream.pipeline.alerts.notifier import ChannelReport, Notifier
from stockstream.pipeline.configuration import settings
from tests.faults._network import breaking
from tests.injected import Injected
from tests.pipeline.alerts.conftest import Memory, memory, receiver  # noqa: F401
from tests.pipeline.alerts.receiver import Answer, Receiver, close, cut, half_a_status, hang, is_genuine, status
from tests.pipeline.alerts.test_webhook import SECONDS, alert
from tests.s3_server import S3Server

pytestmark = pytest.mark.faults

ANSWERS: dict[str, Answer] = {
    "429": status(429, Retry_After="0"),
    "500": status(500, "no\nreason"),
    "503": status(503),
    "closed": close,
    "half a status": half_a_status,
    "hangs": hang(1.0),
    "cut after 500": cut(500),
    "cut after 200": cut(200),
}
"""How a receiver answers one request."""
COUNT = 6


def deliver(memory: Memory, channel: str, count: int = COUNT) -> ChannelReport:  # noqa: F811
    notifier = Notifier(memory, attempts=4)
    notifier.send([alert(f"S{number}", channels=(channel,)) for number in range(count)])
    return notifier.close(SECONDS)[channel]


@pytest.mark.parametrize("how", ANSWERS)
def test_a_receiver_that_fails_once_at_any_request_gets_every_alert(
    how: str,
    receiver: Receiver,  # noqa: F811
    memory: Memory,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    injected: Injected,
) -> None:
    monkeypatch.setattr("stockstream.pipeline.alerts.channels.webhook.TIMEOUT", (5.0, 0.3))
    for number in range(COUNT):
        receiver.posts.clear()
        memory.deliveries.clear()
        receiver.answers[:] = [status(200)] * number + [ANSWERS[how]]
        report = deliver(memory, "webhook")
        injected("alerts", f"webhook: request {number + 1}", how)
        assert (report.delivered, report.failed, report.waiting) == (COUNT, 0, 0)
        assert len(receiver.posts) == COUNT + (how != "cut after 200")
        assert all(is_genuine(post) for post in receiver.posts)
        arrived = Counter(receiver.alerts())
        assert sorted(arrived) == sorted(identity for identity, _ in memory.deliveries)
        assert len(memory.deliveries) == len(set(memory.deliveries)) == COUNT


@pytest.mark.parametrize("how", ["500", "503", "cut", "lost", "dropped", "timeout"])
def test_sns_whose_request_breaks_delivers_every_alert(
    how: str,
    s3: S3Server,
    memory: Memory,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    injected: Injected,
) -> None:
    """Those of a request that was carried out, and whose answer was lost, arrive twice: with one identity."""
    settings()
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name=s3.new_bucket())["TopicArn"]
    url = sqs.create_queue(QueueName=s3.new_bucket())["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("ALERT_TOPIC_ARN", topic)
    if how == "timeout":
        impatient_channel(monkeypatch)
    for number in (1, 2):
        with breaking(s3, how, number, number) as seen:
            report = deliver(memory, "sns", count=14)
        assert seen["broken"] == 1
        injected("alerts", f"sns: request {number}", how)
        assert (report.delivered, report.failed, report.waiting) == (14, 0, 0)
        assert report.retries >= 4  # the second request has four messages; more if this machine is slow
    bodies: list[dict[str, Any]] = []
    while page := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(one["Body"]) for one in page]
        for one in page:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    times = Counter(json.loads(body["Message"])["alerts"][0]["symbol"] for body in bodies)
    assert set(times) == {f"S{number}" for number in range(14)}
    is_carried_out = how in ("cut", "lost")  # that of `timeout` may be, after the queue has been read
    assert sum(times.values()) == (42 if is_carried_out else 28) or how == "timeout"


def impatient_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the channel wait two seconds for an answer, and the server answer after four."""
    whole = Sns.__init__
    monkeypatch.setattr(Sns, "__init__", lambda self, topic: whole(self, topic, read_timeout=2.0))
    monkeypatch.setattr("tests.faults._network.PATIENCE", 2.0)


def test_an_outage_of_any_length_ends_in_one_digest(
    receiver: Receiver,  # noqa: F811
    memory: Memory,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    injected: Injected,
) -> None:
    """A stream's alerts during an outage: what waits is one message when the receiver is back."""
    monkeypatch.setenv("STOCKSTREAM_RETRY_WAIT_MAX", "0.05")
    settings.cache_clear()
    is_away = True

    def answer(request: Any) -> None:
        status(503 if is_away else 200)(request)

    receiver.answers += [answer] * 10_000
    notifier = Notifier(memory)
    for number in range(60):
        notifier.send([alert(f"S{number:02}")])
        injected("alerts", f"outage: alert {number + 1}", "503")
    while len(receiver.posts) < 5:
        time.sleep(0.01)
    is_away = False
    report = notifier.close(SECONDS)["webhook"]
    assert (report.delivered, report.failed, report.waiting) == (60, 0, 0)
    assert report.messages < 21
    assert len(memory.deliveries) == 60
