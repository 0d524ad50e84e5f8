"""The notifier: digests, channels that cannot be used, the end, and the memory of what was delivered."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.analytics.cli.logs import NOISY, start_logging
from stockstream.pipeline.alerts import delivery
from stockstream.pipeline.alerts.notifier import Notifier
from stockstream.pipeline.alerts.pace import MAX_ALERTS, WINDOW, Pace
from stockstream.pipeline.configuration import settings
from tests.pipeline.alerts.conftest import Memory
from tests.pipeline.alerts.receiver import Receiver, hang, is_genuine, status
from tests.pipeline.alerts.test_webhook import SECONDS, alert


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def symbols(count: int) -> list[str]:
    return [f"S{number:04}" for number in range(count)]


def test_twenty_alerts_are_sent_one_by_one(receiver: Receiver) -> None:
    notifier = Notifier(attempts=1)
    notifier.send([alert(name) for name in symbols(20)])
    report = notifier.close(SECONDS)["webhook"]
    assert (len(receiver.posts), report.messages, report.digests) == (20, 20, 0)
    assert not any(post.document["digest"] for post in receiver.posts)


def test_more_become_a_digest(receiver: Receiver, memory: Memory) -> None:
    notifier = Notifier(memory, attempts=1)
    notifier.send([alert(name) for name in symbols(21)])
    report = notifier.close(SECONDS)["webhook"]
    (post,) = receiver.posts
    assert is_genuine(post)
    assert post.document["digest"] is True
    assert [one["symbol"] for one in post.document["alerts"]] == symbols(21)
    assert post.document["text"].startswith("21 alerts:\n2026-11-20 S0000 move_5_percent: up")
    assert post.key.startswith("digest/")
    assert (report.delivered, report.messages, report.digests) == (21, 1, 1)
    assert sorted(memory.deliveries) == [(alert(name).identity, "webhook") for name in symbols(21)]


def test_a_digest_that_is_sent_again_has_the_same_key(receiver: Receiver) -> None:
    receiver.answers += [status(500)]
    notifier = Notifier(attempts=2)
    notifier.send([alert(name) for name in symbols(30)])
    notifier.close(SECONDS)
    first, second = receiver.posts
    assert first.key == second.key
    assert first.body == second.body


def test_after_a_digest_alerts_are_collected_for_a_minute(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockstream.pipeline.alerts.pace.WINDOW", 1.0)
    notifier = Notifier(attempts=1)
    notifier.send([alert(name) for name in symbols(30)])
    wait_until(lambda: len(receiver.posts) == 1)
    notifier.send([alert("LATE1")])
    notifier.send([alert("LATE2")])
    wait_until(lambda: len(list(receiver.alerts())) == 32)
    assert receiver.posts[1].at - receiver.posts[0].at > 0.9
    notifier.close(SECONDS)


def test_the_end_does_not_wait_for_a_digest(receiver: Receiver) -> None:
    notifier = Notifier(attempts=1)
    notifier.send([alert(name) for name in symbols(30)])
    wait_until(lambda: len(receiver.posts) == 1)
    notifier.send([alert(name, rule="other") for name in symbols(3)])
    began = time.monotonic()
    assert notifier.close(SECONDS)["webhook"].delivered == 33
    assert time.monotonic() - began < WINDOW / 2


@given(st.lists(st.tuples(st.floats(0, 90), st.integers(1, 40)), max_size=60))
def test_never_more_than_twenty_single_alerts_and_one_digest_in_any_minute(steps: list[tuple[float, int]]) -> None:
    """Alerts come at any time in any number; whatever is due is sent."""
    pace, now, waiting = Pace(), 0.0, 0
    sent: list[tuple[float, int]] = []
    for pause, count in steps:
        now += pause
        waiting += count
        due = pace.due(waiting, now)
        assert due <= now + WINDOW
        if due <= now:
            is_digest = pace.is_digest(waiting, now)
            pace.sent(waiting, is_digest, now)
            sent.append((now, 0 if is_digest else waiting))
            waiting = 0
    for at, _ in sent:
        minute = [count for time_, count in sent if at <= time_ < at + WINDOW]
        assert sum(minute) <= MAX_ALERTS
        assert minute.count(0) <= 1


def test_the_log_has_a_line_of_json_per_alert(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """As the other lines of the program; many alerts are no digest there."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("ENVIRONMENT", "trial")
    before = list(logging.getLogger().handlers)
    levels = {name: logging.getLogger(name).level for name in (None, *NOISY)}
    start_logging()
    try:
        notifier = Notifier(attempts=1)
        notifier.send([alert(name, channels=("log",), severity="info") for name in symbols(40)])
        notifier.send([alert("X", channels=("log",), severity="critical", message="a\nb", value=float("nan"))])
        report = notifier.close(SECONDS)["log"]
    finally:
        logging.getLogger().handlers[:] = before
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 41
    assert lines[0]["alert"] == {
        "id": "move_5_percent/S0000/2026-11-20/2026-11-20T00:10:00Z",
        "rule": "move_5_percent",
        "symbol": "S0000",
        "session": "2026-11-20",
        "at": "2026-11-20T00:10:00Z",
        "severity": "info",
        "value": 6.25,
        "message": "up 6.25 % since the previous close",
    }
    assert (lines[0]["level"], lines[0]["environment"]) == ("INFO", "trial")
    assert (lines[40]["level"], lines[40]["alert"]["value"]) == ("ERROR", None)
    assert lines[40]["message"] == "2026-11-20 X move_5_percent: a b"
    assert (report.delivered, report.digests) == (41, 0)


def test_an_unknown_channel_is_named_once(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier(attempts=1)
    for _ in range(3):
        notifier.send([alert(channels=("webhok", "webhook", "sns"))])
    report = notifier.close(SECONDS)
    assert report["webhok"].reasons == {
        "no channel webhok: there are email, log, sns, webhook; did you mean webhook?": 3
    }
    assert report["sns"].reasons == {"sns is not configured: set ALERT_TOPIC_ARN": 3}
    assert (report["webhok"].failed, report["sns"].not_configured, report["webhook"].delivered) == (3, 3, 3)
    assert [report[name].is_complete for name in ("webhok", "sns", "webhook")] == [False, True, True]
    assert caplog.text.count("no channel webhok") == 1
    assert caplog.text.count("ALERT_TOPIC_ARN") == 1


def test_a_channel_that_hangs_does_not_delay_another(receiver: Receiver, memory: Memory, caplog: Any) -> None:
    release = threading.Event()
    receiver.answers += [lambda request: release.wait(SECONDS) and status(200)(request)]  # type: ignore[func-returns-value]
    notifier = Notifier(memory)
    notifier.send([alert(channels=("webhook", "log"))])
    wait_until(lambda: (alert().identity, "log") in memory.deliveries)
    assert (alert().identity, "webhook") not in memory.deliveries
    began = time.monotonic()
    report = notifier.close(0.2)
    assert time.monotonic() - began < SECONDS / 2
    assert report["webhook"].waiting == 1
    assert "alerts by webhook: 1 were not delivered before the end" in caplog.text
    release.set()


def test_a_stream_tries_until_it_ends(receiver: Receiver, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_RETRY_WAIT_MAX", "0.02")
    settings.cache_clear()
    receiver.answers += [status(500)] * 12
    notifier = Notifier(memory)
    notifier.send([alert()])
    wait_until(lambda: bool(memory.deliveries))
    assert len(receiver.posts) == 13
    assert notifier.close(SECONDS)["webhook"].retries == 12


def test_one_alert_that_always_fails_does_not_delay_the_others(receiver: Receiver) -> None:
    """The receiver fails at one alert: the others are delivered, and that one is given up."""

    def answer(request: Any) -> None:
        status(500 if "/POISON/" in request.headers["Idempotency-Key"] else 200)(request)

    receiver.answers += [answer] * 100
    notifier = Notifier(attempts=5)
    notifier.send([alert("POISON"), *(alert(name) for name in symbols(10))])
    report = notifier.close(SECONDS)["webhook"]
    assert (report.delivered, report.failed, report.retries) == (10, 1, 4)
    order = [post.key.split("/")[1] for post in receiver.posts]
    assert order[1:11] == symbols(10)


def test_a_receiver_that_is_down_is_asked_a_few_times_and_not_for_every_alert(receiver: Receiver) -> None:
    receiver.answers += [status(503)] * 100
    notifier = Notifier(attempts=4)
    notifier.send([alert(name) for name in symbols(12)])
    report = notifier.close(SECONDS)["webhook"]
    assert (len(receiver.posts), report.failed, report.waiting) == (4, 12, 0)
    assert report.reasons == {"127.0.0.1 answers HTTP 503": 12}


def test_what_waits_is_bounded(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_WAITING", 5)
    release = threading.Event()
    receiver.answers += [lambda request: release.wait(SECONDS) and status(200)(request)]  # type: ignore[func-returns-value]
    notifier = Notifier(attempts=1)
    notifier.send([alert(name) for name in symbols(8)])
    release.set()
    report = notifier.close(SECONDS)["webhook"]
    assert (report.delivered, report.reasons) == (5, {"5 alerts wait already": 3})


def test_memory_that_fails_is_tried_again(receiver: Receiver, memory: Memory, caplog: Any) -> None:
    memory.failures = 1
    notifier = Notifier(memory, attempts=1)
    notifier.send([alert("BHP")])
    report = notifier.close(SECONDS)["webhook"]
    assert memory.deliveries == [(alert("BHP").identity, "webhook")]
    assert (report.delivered, report.unrecorded) == (1, 0)
    assert "delivered, but the record cannot be written: the disk is full" in caplog.text


def test_memory_that_fails_to_the_end_is_reported(receiver: Receiver, memory: Memory) -> None:
    memory.failures = 100
    notifier = Notifier(memory, attempts=1)
    notifier.send([alert("BHP"), alert("CBA")])
    assert notifier.close(SECONDS)["webhook"].unrecorded == 2


def test_after_the_end_nothing_is_taken(receiver: Receiver) -> None:
    notifier = Notifier(attempts=1)
    notifier.send([alert()])
    notifier.close(SECONDS)
    notifier.send([alert("CBA")])
    report = notifier.status()["webhook"]
    assert (report.delivered, report.failed, report.reasons) == (1, 1, {"the notifier is closed": 1})


def test_a_defect_of_a_channel_is_no_end(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    from stockstream.pipeline.alerts.channels.webhook import Webhook

    whole = Webhook.send

    def send(self: Webhook, messages: Any) -> Any:
        if messages[0].alerts[0].symbol == "BAD":
            raise RuntimeError("a defect")
        return whole(self, messages)

    monkeypatch.setattr(Webhook, "send", send)
    notifier = Notifier(attempts=3)
    notifier.send([alert("BAD"), alert("BHP")])
    report = notifier.close(SECONDS)["webhook"]
    assert (report.delivered, report.reasons) == (1, {"unexpected RuntimeError": 1})


def test_a_receiver_that_never_answers_does_not_keep_the_program(receiver: Receiver) -> None:
    receiver.answers += [hang(5.0)]
    notifier = Notifier()
    notifier.send([alert()])
    began = time.monotonic()
    assert notifier.close(0.1)["webhook"].waiting == 1
    assert time.monotonic() - began < 4.0
