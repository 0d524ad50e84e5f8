"""`stockstream alerts send`: what is not delivered, a dry run, a test message; a kill between delivery and memory."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from stockstream.pipeline.alerts.memory import AlertMemory
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from tests.analytics.test_cli import Ran, run_cli
from tests.pipeline.alerts.conftest import receiver  # noqa: F401
from tests.pipeline.alerts.receiver import SECRET, Post, Receiver, is_genuine, status
from tests.pipeline.alerts.test_webhook import alert
from tests.s3_server import S3Server

STOCKSTREAM = Path(sys.executable).with_name("stockstream")
OLD, NEW = "2026-11-19", "2026-11-20"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with two sessions: one alert of each is not delivered."""
    lake = Lake(str(tmp_path / "lake"))
    lake.mark(MARKETS["ASX"])
    for session in (OLD, NEW):
        memory = AlertMemory(lake, session)
        alerts = [replace(alert(name), session=session, channels=("log", "webhook")) for name in ("BHP", "CBA")]
        memory.add(alerts, {})
        identities = [one.identity for one in alerts]
        memory.mark_delivered(identities, "log", "2026-11-20T00:11:00+00:00")
        memory.mark_delivered(identities[:1], "webhook", "2026-11-20T00:11:00+00:00")
    return lake


def stockstream(*arguments: str) -> Ran:
    return run_cli("alerts", "send", *arguments)


def test_what_is_not_delivered_is_sent_once(lake: Lake, receiver: Receiver) -> None:  # noqa: F811
    shown = stockstream("--lake", lake.uri, "--dry-run")
    assert shown.code == 0
    assert "2 alerts would be sent" in shown.out
    assert "webhook       warning   2026-11-19 CBA move_5_percent: up" in shown.out
    assert receiver.posts == []

    only = stockstream("--lake", lake.uri, "--session", NEW, "--json")
    assert only.code == 0
    answer = json.loads(only.out)
    assert (answer["status"], answer["alerts"], answer["channels"]["webhook"]["delivered"]) == ("complete", 1, 1)
    rest = stockstream("--lake", lake.uri)
    assert (rest.code, rest.out) == (0, "webhook    1 delivered: HTTP 200\ncomplete   1 alerts\n")
    nothing = stockstream("--lake", lake.uri)
    assert (nothing.code, nothing.out) == (0, "complete   0 alerts\n")
    assert [post.document["alerts"][0]["session"] for post in receiver.posts] == [NEW, OLD]
    assert all(is_genuine(post) for post in receiver.posts)


def test_what_fails_is_named_and_stays(lake: Lake, receiver: Receiver) -> None:  # noqa: F811
    receiver.answers += [status(403, f"unknown {SECRET}"), status(200)]
    partly = stockstream("--lake", lake.uri)
    assert partly.code == 3
    assert "webhook    1 delivered: HTTP 200; not delivered 1: 127.0.0.1 answers HTTP 403: unknown ***" in partly.out
    receiver.answers += [status(403)]
    failed = stockstream("--lake", lake.uri, "--json")
    assert (failed.code, json.loads(failed.out)["status"]) == (1, "failed")
    assert stockstream("--lake", lake.uri).code == 0
    for one in (partly, failed):
        assert SECRET not in one.out + one.err
        assert "of-a-person" not in one.out + one.err


def test_wrong_usage(lake: Lake, tmp_path: Path) -> None:
    for arguments, message in (
        (
            ["--lake", lake.uri, "--session", "2026-11-18"],
            f"session 2026-11-18: there are those of {OLD}, {NEW}",
        ),
        (["--lake", str(tmp_path / "none")], "no lake"),
        (["--test", "--dry-run"], "--test sends a test message and no alerts"),
    ):
        ended = stockstream(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert message in ended.err


def test_a_channel_that_is_not_configured_is_named(lake: Lake) -> None:
    ended = stockstream("--lake", lake.uri)
    assert ended.code == 0
    assert "webhook    webhook is not configured: set ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET" in ended.out


def test_a_test_message_over_every_channel(
    receiver: Receiver,  # noqa: F811
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings()
    topic = boto3.client("sns").create_topic(Name=s3.new_bucket())["TopicArn"]
    monkeypatch.setenv("ALERT_TOPIC_ARN", topic)
    ended = stockstream("--test")
    assert ended.code == 0
    lines = dict(line.split(maxsplit=1) for line in ended.out.splitlines())
    assert lines["webhook"] == "1 delivered: HTTP 200"
    assert lines["sns"].startswith("1 delivered: message ")
    assert lines["log"] == "1 delivered: written to the log"
    (post,) = receiver.posts
    assert post.document["alerts"][0]["rule"] == "test"
    unconfigured, line = [json.loads(line) for line in ended.err.splitlines()]
    assert unconfigured["message"].startswith("alerts are not sent by email: email is not configured")
    assert line["alert"]["symbol"] == "TEST"

    receiver.answers += [status(404)]
    monkeypatch.delenv("ALERT_TOPIC_ARN")
    ended = stockstream("--test")
    assert ended.code == 3
    assert "webhook    not delivered 1: 127.0.0.1 answers HTTP 404" in ended.out
    assert "email      email is not configured: set ALERT_SMTP_URL and ALERT_EMAIL_TO" in ended.out
    assert "sns        sns is not configured: set ALERT_TOPIC_ARN" in ended.out


@pytest.mark.faults
def test_a_kill_between_delivery_and_memory_sends_the_same_alert_again(
    lake: Lake,
    receiver: Receiver,  # noqa: F811
) -> None:
    """Under the same key, and none is lost."""
    sending: list[subprocess.Popen[Any]] = []

    def kill(post: Post) -> None:
        sending[0].send_signal(signal.SIGKILL)
        sending[0].wait()
        receiver.on_post = lambda post: None

    receiver.on_post = kill
    command = [STOCKSTREAM, "alerts", "send", "--lake", lake.uri]
    sending.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    assert sending[0].wait(120) == -signal.SIGKILL
    assert stockstream("--lake", lake.uri).code == 0
    keys = [post.key for post in receiver.posts]
    assert keys[0] == keys[1]
    assert len(keys) == 3
    assert len(set(keys)) == 2
    assert stockstream("--lake", lake.uri).out == "complete   0 alerts\n"
