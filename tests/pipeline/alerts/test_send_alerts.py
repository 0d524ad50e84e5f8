"""The step `send_alerts`: the signals of the day, once, through a run and by itself."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.alerts.memory import AlertMemory
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.runner import run as run_pipeline
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps import rollback, send_alerts, summarise
from tests.analytics.test_cli import run_cli
from tests.pipeline.alerts.receiver import SECRET, Post, Receiver, is_genuine, status

ASX = MARKETS["ASX"]
DAYS = [day.date() for day in ASX.schedule(2026).loc["2026-06-15":"2026-08-07"].index]
"""Sessions; on the last but one, the price of UP leaves its range, and on the last one that of DOWN."""
NOW = "2026-08-07T09:00:00+00:00"
SESSION = "2026-08-07"


def bars(days: list[date], jump: dict[str, date]) -> str:
    lines = ["symbol,date,open,high,low,close,volume"]
    for symbol, day_of_jump in jump.items():
        for number, day in enumerate(days):
            close = 10 + number % 3 / 10 + (5 if day >= day_of_jump else 0) * (-1 if symbol == "DOWN" else 1)
            lines.append(f"{symbol},{day},{close},{close + 0.1:.2f},{close - 0.1:.2f},{close},1000")
    return "\n".join(lines) + "\n"


JUMPS = {"UP": DAYS[-2], "DOWN": DAYS[-1], "NEW": DAYS[-1]}


@pytest.fixture(scope="module")
def lake_of_the_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    (folder / "bars.csv").write_text(bars(DAYS, JUMPS))
    lake = Lake(str(folder / "lake"))
    result = run_pipeline(lake, open_source(f"files:{folder / 'bars.csv'}", ASX, settings()), ASX, day=DAYS[-1])
    assert (result["status"], result["alerts"]["session"], result["not_sent"]) == ("complete", None, None)
    assert not (folder / "lake/live").exists(), "it is off without a channel"
    return folder / "lake"


@pytest.fixture
def lake(lake_of_the_day: Path, tmp_path: Path) -> Lake:
    import shutil

    shutil.copytree(lake_of_the_day, tmp_path / "lake")
    return Lake(str(tmp_path / "lake"))


def sent(lake: Lake, **event: Any) -> Any:
    return send_alerts.run({"now": NOW, **event}, lake)  # type: ignore[typeddict-item]


def test_the_signals_of_the_newest_session_are_sent_once(lake: Lake, receiver: Receiver) -> None:
    result = sent(lake)
    assert (result["session"], result["alerts"], result["failed"]) == (SESSION, 2, {})
    alerts = sorted((post.document["alerts"][0] for post in receiver.posts), key=lambda one: one["symbol"])
    assert [(one["rule"], one["symbol"], one["severity"]) for one in alerts] == [
        ("daily_signals", "DOWN", "info"),
        ("daily_signals", "NEW", "info"),
    ]
    assert alerts[0]["session"] == SESSION
    assert alerts[0]["at"] == "2026-08-07T06:00:00.000+00:00", "the close"
    assert "breakout_down" in alerts[0]["message"]
    assert all(is_genuine(post) for post in receiver.posts)
    assert result["channels"]["webhook"]["delivered"] == 2
    assert sorted(result["notes"]) == [
        "email is not configured: set ALERT_SMTP_URL and ALERT_EMAIL_TO (2 alerts)",
        "sns is not configured: set ALERT_TOPIC_ARN (2 alerts)",
    ]
    again = sent(lake)
    assert (again["alerts"], len(receiver.posts)) == (0, 2)


def test_after_a_rollback_and_another_run_nothing_comes_twice(lake: Lake, receiver: Receiver) -> None:
    sent(lake)
    rollback.run({"generation": 1, "drop_tables": True}, lake)
    assert sent(lake)["alerts"] == 0
    assert len(receiver.posts) == 2


def test_an_outage_is_named_and_the_next_run_sends(lake: Lake, receiver: Receiver) -> None:
    receiver.answers += [status(500)] * 50
    result = sent(lake)
    assert result["failed"] == {"webhook": "not delivered 2: 127.0.0.1 answers HTTP 500"}
    receiver.answers.clear()
    receiver.posts.clear()
    again = sent(lake)
    assert (again["alerts"], again["channels"]["webhook"]["delivered"], again["failed"]) == (0, 2, {})
    assert len(receiver.posts) == 2


def test_a_rule_of_ones_own_and_a_wrong_one(lake: Lake, receiver: Receiver, tmp_path: Path) -> None:
    header = "/* ---\nname: {}\ntitle: x\nseverity: critical\nchannels: [webhook]\nruns: batch\n--- */\n"
    (tmp_path / "rules").mkdir()
    day = "getvariable('session')"
    texts = {
        "cheap": f"SELECT symbol, close AS value, 'cheap' AS message FROM bars WHERE date = {day} AND close < 8",
        "wrong": "SELECT symbol, close AS value, 'x' AS message\nFROM barz",
        "nothing": "SELECT symbol FROM bars",
        "infinite": f"SELECT symbol, 'inf'::DOUBLE AS value, 'x' AS message FROM bars WHERE date = {day}",
        "many": "SELECT 'A' AS symbol, 1 AS value, 'x' AS message FROM range(200000)",
        "silent": "SELECT NULL AS symbol, 1 AS value, 'x' AS message",
    }
    for name, text in texts.items():
        (tmp_path / f"rules/{name}.sql").write_text(header.format(name) + text)
    result = sent(lake, sql_path=[str(tmp_path / "rules")])
    assert result["alerts"] == 3
    assert [post.document["alerts"][0]["severity"] for post in receiver.posts].count("critical") == 1
    failed = result["failed"]
    assert sorted(failed) == [f"rule {name}" for name in sorted(texts) if name != "cheap"]
    assert failed["rule wrong"].startswith(f"{tmp_path}/rules/wrong.sql, line 9: Catalog Error: Table with name barz")
    assert "line 8: it does not return value and message: a rule returns symbol" in failed["rule nothing"]
    assert failed["rule many"].endswith("it returned more than 100,000 rows, of which none is used")
    assert "it returned the value inf for" in failed["rule infinite"]
    assert "it returned the symbol None" in failed["rule silent"]


def test_nothing_is_sent_about_a_session_of_long_ago(lake: Lake, receiver: Receiver) -> None:
    result = sent(lake, now="2026-08-20T09:00:00+00:00")
    assert (result["session"], result["alerts"], receiver.posts) == (None, 0, [])
    assert result["notes"] == ["no bar is newer than 2026-08-13: nothing is sent about earlier sessions"]


def test_a_failure_makes_a_run_partial_and_is_no_failure_of_the_publication(
    lake: Lake, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers += [status(404)] * 9
    monkeypatch.setattr(send_alerts, "MAX_AGE", timedelta(days=36500))
    days = [*DAYS, date(2026, 8, 10)]
    (tmp_path / "bars.csv").write_text(bars(days, JUMPS | {"LATE": days[-1]}))
    result = run_pipeline(lake, open_source(f"files:{tmp_path / 'bars.csv'}", ASX, settings()), ASX, day=days[-1])
    assert (result["status"], result["generation"], result["refused"]) == ("partial", 2, None)
    assert result["alerts"]["session"] == str(days[-1])
    count = result["alerts"]["alerts"]
    assert count > 0
    assert result["not_sent"] == f"webhook: not delivered {count}: 127.0.0.1 answers HTTP 404"

    state: Any = {"run": "one", "date": SESSION, "symbolBatches": [], "alerts": result["alerts"]}
    summary = summarise.run(state, lake, ASX, "files", "dev")
    assert summary["status"] == "partial"
    assert f"Alerts not sent: {result['not_sent']}." in summary["message"]
    failure = {"alerts": {"Error": "LakeError", "Cause": json.dumps({"errorMessage": "cannot write"})}}
    state = {"run": "two", "date": SESSION, "symbolBatches": [], "failure": failure}
    summary = summarise.run(state, lake, ASX, "files", "dev")
    assert (summary["status"], "Alerts not sent: alerts: LakeError: cannot write." in summary["message"]) == (
        "partial",
        True,
    )


def test_a_wrong_setting_of_a_channel_is_named(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not switch the step off in silence."""
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "https://example.com/hook")
    result = sent(lake)
    assert result["failed"]["webhook"].startswith("not delivered 2: ALERT_WEBHOOK_URL is set without ALERT_WEBHOOK_SEC")
    assert SECRET not in str(result)


def test_two_runs_at_once_record_each_alert_once(lake: Lake, receiver: Receiver) -> None:
    """The other run records while this one is sending."""

    def run_again(post: Post) -> None:
        if len(receiver.posts) == 1:
            sent(lake)

    receiver.on_post = run_again
    result = sent(lake)
    memory = AlertMemory(lake, SESSION)
    memory.load()
    assert (result["alerts"], len(memory.alerts)) == (2, 2)
    assert all("webhook" in one.delivered for one in memory.alerts)
    assert len(set(receiver.alerts())) == 2


def test_a_rule_for_the_log_needs_no_channel(lake: Lake, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    (tmp_path / "cheap.sql").write_text(
        "/* ---\nname: cheap\ntitle: x\nseverity: info\nruns: batch\n--- */\n"
        "SELECT symbol, close AS value, 'cheap' AS message FROM bars WHERE date = getvariable('session') AND close < 8"
    )
    result = sent(lake, sql_path=[str(tmp_path / "cheap.sql")])
    assert result["channels"]["log"]["delivered"] == 1
    assert f"{SESSION} DOWN cheap: cheap" in caplog.text


def test_a_batch_rule_on_a_past_day(lake: Lake) -> None:
    ran = run_cli("alerts", "test", "daily_signals", "--at", str(DAYS[-2]), "--lake", lake.uri)
    assert ran.code == 0
    assert f"daily_signals on {DAYS[-2]}:" in ran.out
    assert "UP has above_bands, breakout_up, macd_up, overbought at a close of 15.2" in ran.out
    assert "breakout_down" not in ran.out
