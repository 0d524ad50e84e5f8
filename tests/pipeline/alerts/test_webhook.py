"""The channel `webhook`, through the notifier, against a server on loopback."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.alerts.channels import webhook
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.notifier import ChannelReport, Notifier
from stockstream.pipeline.configuration import settings
from tests.pipeline.alerts.conftest import Memory
from tests.pipeline.alerts.receiver import (
    SECRET,
    Answer,
    Post,
    Receiver,
    close,
    cut,
    half_a_status,
    hang,
    is_genuine,
    status,
)

SECONDS = 60.0
"""A test's machine may be slow: an end that is not reached fails, however late."""


def alert(symbol: str = "BHP", **changes: Any) -> Alert:
    values = {
        "rule": "move_5_percent",
        "session": "2026-11-20",
        "at": "2026-11-20T00:10:00Z",
        "severity": "warning",
        "value": 6.25,
        "message": "up 6.25 % since the previous close",
        "channels": ("webhook",),
    }
    return Alert(symbol=symbol, **{**values, **changes})


def delivered(alerts: Sequence[Alert], memory: Memory | None = None, attempts: int | None = 4) -> ChannelReport:
    """Deliver alerts, and return the report of the webhook."""
    notifier = Notifier(memory, attempts)
    notifier.send(alerts)
    return notifier.close(SECONDS)["webhook"]


def test_an_alert_is_posted_with_a_signature(receiver: Receiver, memory: Memory) -> None:
    report = delivered([alert()], memory)
    (post,) = receiver.posts
    assert is_genuine(post)
    assert post.key == "move_5_percent/BHP/2026-11-20/2026-11-20T00:10:00Z"
    assert post.headers["Content-Type"] == "application/json"
    assert post.document == {
        "digest": False,
        "alerts": [
            {
                "id": "move_5_percent/BHP/2026-11-20/2026-11-20T00:10:00Z",
                "rule": "move_5_percent",
                "symbol": "BHP",
                "session": "2026-11-20",
                "at": "2026-11-20T00:10:00Z",
                "severity": "warning",
                "value": 6.25,
                "message": "up 6.25 % since the previous close",
            }
        ],
        "text": "2026-11-20 BHP move_5_percent: up 6.25 % since the previous close",
    }
    assert memory.deliveries == [("move_5_percent/BHP/2026-11-20/2026-11-20T00:10:00Z", "webhook")]
    assert (report.delivered, report.failed, report.waiting, report.messages) == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("symbol", "message", "text"),
    [
        ("BHP", "BHP has moved", "2026-11-20 move_5_percent: BHP has moved"),
        ("BHP", "BHPX has moved", "2026-11-20 BHP move_5_percent: BHPX has moved"),
        ("*", "no event", "2026-11-20 move_5_percent: no event"),
    ],
)
def test_the_text_has_the_symbol_once(symbol: str, message: str, text: str, receiver: Receiver) -> None:
    delivered([alert(symbol, message=message)])
    assert receiver.posts[0].document["text"] == text


def test_a_changed_body_an_old_post_and_another_secret_are_noticed(receiver: Receiver) -> None:
    delivered([alert()])
    (post,) = receiver.posts
    assert not is_genuine(Post(post.path, post.headers, post.body.replace(b"up", b"no"), post.at))
    assert not is_genuine(post, "another secret")
    assert not is_genuine(post, tolerance=-1)
    later = {**post.headers, "Stockstream-Timestamp": str(int(time.time()) + 5)}
    assert not is_genuine(Post(post.path, later, post.body, post.at))


def test_a_key_that_no_header_can_carry_is_escaped(receiver: Receiver) -> None:
    delivered([alert("^ÄX\r\nEvil: 1", message="é \x1b[31m")])
    (post,) = receiver.posts
    assert post.key == "move_5_percent/%5E%C3%84X%0D%0AEvil:%201/2026-11-20/2026-11-20T00:10:00Z"
    assert "Evil" not in post.headers
    assert post.document["alerts"][0]["symbol"] == "^ÄX\r\nEvil: 1"
    assert "\x1b" not in post.document["text"]
    assert is_genuine(post)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_value_that_json_does_not_have_is_null(receiver: Receiver, value: float | None) -> None:
    delivered([alert(value=value)])
    assert receiver.posts[0].document["alerts"][0]["value"] is None


@pytest.mark.parametrize(
    "answer",
    [status(429), status(500), status(503, Retry_After="0"), close, half_a_status],
    ids=["429", "500", "503", "closed", "half a status"],
)
def test_a_failure_that_may_pass_is_tried_again(receiver: Receiver, memory: Memory, answer: Answer) -> None:
    receiver.answers += [answer, answer]
    report = delivered([alert()], memory)
    assert [post.key for post in receiver.posts] == ["move_5_percent/BHP/2026-11-20/2026-11-20T00:10:00Z"] * 3
    assert all(is_genuine(post) for post in receiver.posts)
    assert (report.delivered, report.failed, report.retries) == (1, 0, 2)
    assert len(memory.deliveries) == 1


def test_a_receiver_that_hangs_is_tried_again(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT", (5.0, 0.3))
    receiver.answers += [hang(2.0)]
    report = delivered([alert()])
    assert (report.delivered, report.retries, len(receiver.posts)) == (1, 1, 2)


def test_an_answer_that_is_cut_has_accepted_the_alert(receiver: Receiver) -> None:
    receiver.answers += [cut(202)]
    report = delivered([alert()])
    assert (report.delivered, len(receiver.posts), report.answer) == (1, 1, "HTTP 202")


def test_retry_after_is_honoured(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.answers += [status(429, Retry_After="1")]
    delivered([alert()])
    first, second = receiver.posts
    assert second.at - first.at >= 1.0  # the pause of the settings is 0.01 s


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 422])
def test_a_refusal_is_named_and_not_repeated(receiver: Receiver, memory: Memory, code: int) -> None:
    receiver.answers += [status(code, "no such\nhook\x1b")]
    report = delivered([alert(), alert("CBA")], memory)
    assert [post.key.split("/")[1] for post in receiver.posts] == ["BHP", "CBA"]
    assert report.reasons == {f"127.0.0.1 answers HTTP {code}: no such hook\\x1b": 1}
    assert (report.delivered, report.failed, report.retries) == (1, 1, 0)
    assert memory.deliveries == [("move_5_percent/CBA/2026-11-20/2026-11-20T00:10:00Z", "webhook")]


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with Receiver() as other:
        receiver.answers += [status(307, Location=other.url)]
        report = delivered([alert()])
        assert other.posts == []
    (reason,) = report.reasons
    assert reason.startswith("127.0.0.1 answers HTTP 307; redirects are not followed")


def test_attempts_end(receiver: Receiver, memory: Memory) -> None:
    receiver.answers += [status(500)] * 10
    report = delivered([alert()], memory, attempts=3)
    assert len(receiver.posts) == 3
    assert (report.failed, report.reasons) == (1, {"127.0.0.1 answers HTTP 500": 1})
    assert memory.deliveries == []


def test_nothing_listens(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "http://127.0.0.1:9/hook")
    report = delivered([alert()], attempts=2)
    assert report.reasons == {"127.0.0.1 does not answer (ConnectionError)": 1}


def test_credentials_of_netrc_are_not_sent(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    delivered([alert()])
    assert "Authorization" not in receiver.posts[0].headers


def test_secrets_are_in_no_log_and_no_report(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if the receiver repeats the address, which is all that one needs to post to many services."""
    monkeypatch.setenv("ALERT_WEBHOOK_URL", receiver.url + "?token=4711")
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # as `start_logging` does
    echo = f"no hook at {receiver.url}?token=4711, /hook/of-a-person, token=4711, {SECRET}"
    receiver.answers += [status(400, echo), status(500, echo)]
    report = delivered([alert(), alert("CBA")])
    assert "HTTP 400: no hook at" in str(report)
    assert caplog.text
    for secret in (SECRET, "of-a-person", "4711"):
        assert secret not in str(report)
        assert secret not in caplog.text
        assert secret not in repr(webhook.WebhookSettings.read())


@pytest.mark.parametrize(
    ("url", "secret", "reason"),
    [
        ("", SECRET, "webhook is not configured: set ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET"),
        ("https://example.com/a", "", "ALERT_WEBHOOK_URL is set without ALERT_WEBHOOK_SECRET"),
        ("ftp://example.com/a", SECRET, "ALERT_WEBHOOK_URL is no address: write https://host/path"),
        ("example.com", SECRET, "ALERT_WEBHOOK_URL is no address: write https://host/path"),
        ("https://[a", SECRET, "ALERT_WEBHOOK_URL is no address: write https://host/path"),
    ],
)
def test_a_channel_without_settings_is_named_once(
    url: str, secret: str, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", url)
    monkeypatch.setenv("ALERT_WEBHOOK_SECRET", secret)
    notifier = Notifier(attempts=1)
    notifier.send([alert(), alert("CBA")])
    notifier.send([alert("WES")])
    report = notifier.close(SECONDS)["webhook"]
    ((name, count),) = report.reasons.items()
    assert name.startswith(reason)
    assert (count, report.failed, report.not_configured) == ((3, 3, 0) if url else (3, 0, 3))
    assert caplog.text.count("alerts are not sent by webhook") == 1


def test_the_secret_can_stand_in_an_ssm_parameter(receiver: Receiver, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.delenv("ALERT_WEBHOOK_SECRET")
    monkeypatch.setenv("ALERT_WEBHOOK_SECRET_PARAMETER", "/stockstream/webhook")
    settings()  # names the endpoint to boto3
    assert "cannot be read from SSM" in str(delivered([alert()]).reasons)
    boto3.client("ssm").put_parameter(Name="/stockstream/webhook", Value=SECRET, Type="SecureString")
    assert delivered([alert()]).delivered == 1
    assert is_genuine(receiver.posts[-1])
