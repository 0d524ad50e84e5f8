"""The function `send_alerts` as it is deployed: its package, its layers and its role, with a topic."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources import open_source
from stockstream.terraform.packages import handler, spec
from tests.aws.lambdas import Lambdas
from tests.aws.pipeline import packages as built
from tests.aws.sandbox import Function
from tests.pipeline.alerts.test_send_alerts import ASX, DAYS, JUMPS, NOW, SESSION, bars
from tests.s3_server import S3Server

pytestmark = pytest.mark.e2e


def test_the_signals_of_the_day_reach_a_queue_once(s3: S3Server, tmp_path: Path) -> None:
    """A second attempt, as Lambda makes after a timeout, sends nothing again."""
    settings()
    (tmp_path / "bars.csv").write_text(bars(DAYS, JUMPS))
    lake = Lake(f"s3://{s3.new_bucket()}")
    assert run(lake, open_source(f"files:{tmp_path / 'bars.csv'}", ASX, settings()), ASX, day=DAYS[-1])["rows"]
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic = sns.create_topic(Name=s3.new_bucket())["TopicArn"]
    url = sqs.create_queue(QueueName=s3.new_bucket())["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"FilterPolicy": json.dumps({"symbol": ["DOWN", "CBA"]})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=policy)

    configured = spec()["functions"]["send_alerts"]
    code, *layers = (built()[one].read_bytes() for one in ("send_alerts", *configured["layers"]))
    environment = {"STOCKSTREAM_LAKE": lake.uri, "ALERT_TOPIC_ARN": topic}
    deployed = Function("send_alerts", code, tuple(layers), handler("send_alerts"), environment, 300, 2048)
    lambdas = Lambdas(s3.environment)
    results = []
    for _ in range(2):
        invoked = lambdas.invoke(deployed, json.dumps({"run": "one", "now": NOW}).encode())
        assert not invoked.error, invoked.log
        results.append(json.loads(invoked.answer))
    lambdas.forget()
    first, second = results
    assert (first["session"], first["failed"], first["channels"]["sns"]["delivered"]) == (SESSION, {}, first["alerts"])
    assert (second["session"], second["alerts"], second["channels"]["webhook"]["delivered"]) == (SESSION, 0, 0)
    assert sorted(first["notes"]) == [
        f"email is not configured: set ALERT_SMTP_URL and ALERT_EMAIL_TO ({first['alerts']} alerts)",
        f"webhook is not configured: set ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET ({first['alerts']} alerts)",
    ]
    (body,) = [json.loads(one["Body"]) for one in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
    (alert,) = json.loads(body["Message"])["alerts"]
    assert (alert["rule"], alert["symbol"], alert["session"]) == ("daily_signals", "DOWN", SESSION)
    assert "breakout_down" in alert["message"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
