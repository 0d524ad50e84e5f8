"""The alert rules in `stockstream stream`: on replays, after kills, and with the clock of a feed that is running."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from stockstream.pipeline.alerts.memory import AlertMemory
from stockstream.pipeline.lake import Lake
from tests.pipeline.live.feed import DAY, OPENS, seconds
from tests.pipeline.live.test_fold import second
from tests.pipeline.live.test_stream import add_batch, command, record, run, stream

MOVED = 20
"""Symbols of the recording that move by 6 %, at different times."""


def moves(count: int = 400, symbols: int = MOVED) -> list[dict[str, Any]]:
    """Return the events of symbols S00, S01, … at 100, each of which is at 106 from its minute on."""
    events = []
    for at in range(0, count, 2):
        for number in range(symbols):
            price = 106.0 if at >= 60 + 10 * number else 100.0
            volume = 10 * (at // 2 + 1)
            name = f"S{number:02d}"
            values = {"sym": name, "s": OPENS + 1000 * at, "e": OPENS + 1000 * (at + 1), "v": 10, "av": volume}
            events.append(second(**values, o=price, h=price, l=price, c=price, op=100.0, vw=price, a=price))
    return events


def lake_with_closes(folder: Path, symbols: int = MOVED) -> Path:
    add_batch(folder, "2026-11-24-batch-0", [(f"S{n:02d}", "2026-11-24", 100.0, 1.0) for n in range(symbols)])
    return folder


def remembered(lake: Path) -> list[tuple[str, str]]:
    memory = AlertMemory(Lake(str(lake)), str(DAY))
    memory.load()
    return [(one.alert.rule, one.alert.symbol) for one in memory.alerts]


def test_a_replay_alerts_once_and_never_again(tmp_path: Path) -> None:
    lake = lake_with_closes(tmp_path / "lake")
    source = record(tmp_path / "day.jsonl", moves())
    status = stream(source, lake)
    expected = sorted(("move", f"S{number:02d}") for number in range(MOVED))
    assert sorted(remembered(lake)) == expected
    assert (status["alerts"]["new"], status["alerts"]["by_rule"]) == (MOVED, {"move": MOVED})
    # The clock is that of the events: each is reported in the minute in which it happens.
    at = {alert["symbol"]: alert["at"] for alert in status["alerts"]["recent"]}
    assert at["S00"].startswith("2026-11-25T14:31") or at["S00"].startswith("2026-11-25T14:32")
    assert at["S19"] > at["S00"]
    assert status["alerts"]["delivery"]["log"]["delivered"] == MOVED
    assert status["alerts"]["delivery"]["webhook"]["not_configured"] == MOVED
    for options in ((), ("--restart",)):
        again = stream(source, lake, *options)
        assert (again["alerts"]["new"], again["alerts"]["in_session"]) == (0, MOVED)
        assert again["alerts"]["delivery"].get("log", {}).get("delivered", 0) == 0
    assert sorted(remembered(lake)) == expected


def test_a_spike_between_two_saves_is_reported_in_a_replay_at_any_speed(tmp_path: Path) -> None:
    events = moves(600, 1)
    for event in events:
        is_spike = 240 <= (event["s"] - OPENS) / 1000 < 360
        event.update(dict.fromkeys(("o", "h", "l", "c", "vw", "a"), 107.0 if is_spike else 100.0))
    source = record(tmp_path / "day.jsonl", events, size=3)
    assert stream(source, lake_with_closes(tmp_path / "lake", 1))["alerts"]["by_rule"] == {"move": 1}


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.large)])
def test_kills_lose_no_alert_and_repeat_none(kills: int, tmp_path: Path) -> None:
    lake = lake_with_closes(tmp_path / "lake")
    source = record(tmp_path / "day.jsonl", moves(), size=7)
    for kill in range(kills):
        process = subprocess.Popen(
            command(source, str(lake), "--speed", "60", "--json"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        while len(remembered(lake)) < 3 * (kill + 1) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    status = stream(source, lake)
    assert sorted(remembered(lake)) == sorted(("move", f"S{number:02d}") for number in range(MOVED))
    memory = AlertMemory(Lake(str(lake)), str(DAY))
    memory.load()
    assert all("log" in one.delivered for one in memory.alerts)
    assert status["alerts"]["in_session"] == MOVED


def test_silence_in_a_replay_is_that_of_its_events(tmp_path: Path) -> None:
    events = [*seconds(3, 30), *seconds(3, 30, start=OPENS + 30_000 + 121_000, seed=9)]
    for number, event in enumerate(events):  # the second half goes on with the day's volume
        event["av"] = sum(one["v"] for one in events[: number + 1] if one["sym"] == event["sym"])
    (alert,) = stream(record(tmp_path / "a.jsonl", events), tmp_path / "one")["alerts"]["recent"]
    assert (alert["rule"], alert["symbol"], alert["severity"]) == ("feed_silent", "*", "critical")
    assert 121 <= alert["value"] <= 124
    dense = [*seconds(3, 30), *seconds(3, 30, start=OPENS + 30_000 + 100_000, seed=9)]
    assert not [
        one
        for one in stream(record(tmp_path / "b.jsonl", dense), tmp_path / "two", code=3)["alerts"]["recent"]
        if one["rule"] == "feed_silent"
    ]


def test_wrong_rules_and_levels_are_reported_and_the_stream_goes_on(tmp_path: Path) -> None:
    lake = lake_with_closes(tmp_path / "lake", 2)
    rules = tmp_path / "rules"
    rules.mkdir()
    head = "/* ---\nname: {}\ntitle: Mine.\nseverity: info\n--- */\n"
    (rules / "broken.sql").write_text(head.format("broken") + "SELECT symbol FROM lvie")
    (rules / "mine.sql").write_text(head.format("mine") + "SELECT symbol, close AS value, 'mine' AS message FROM live")
    (lake / "levels.csv").write_text("symbol,level\nS00,103\nS01,much\n")
    source = record(tmp_path / "day.jsonl", moves(100, 2))
    code, out, err = run(source, str(lake), "--json", "--sql-path", str(rules))
    status = json.loads(out)
    assert code == 3
    assert f"{rules}/broken.sql, line 6: " in err
    assert "levels.csv, line 3: level is 'much'" in err
    assert len(status["alerts"]["errors"]) == 2
    assert status["alerts"]["by_rule"] == {"level": 1, "mine": 2, "move": 2}
    own = tmp_path / "own.csv"
    own.write_text("symbol,level,note\nS01,105,mine\n")
    other = lake_with_closes(tmp_path / "other", 2)
    status = stream(source, other, "--levels", str(own))
    assert [alert["symbol"] for alert in status["alerts"]["recent"] if alert["rule"] == "level"] == ["S01"]
    code, _, message = run(source, str(other), "--levels", str(tmp_path / "nowhere.csv"))
    assert (code, "cannot read the levels" in message) == (2, True)
    assert stream(source, other, "--restart", "--no-alerts")["alerts"] is None


def test_the_end_of_a_stream_shows_its_alerts(tmp_path: Path) -> None:
    code, out, _ = run(record(tmp_path / "day.jsonl", moves(100, 2)), str(lake_with_closes(tmp_path / "lake", 2)))
    assert code == 0
    assert "alerts      2 in the session, 2 new: move 2" in out
    assert "the next `stockstream run` publishes" in out
    assert "delivery    log: 2 delivered" in out


class Clock:
    """The clock of the machine, for the alerts of a feed that is running."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def time(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


def test_silence_of_a_running_feed_is_measured_with_the_clock_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import date

    from stockstream.pipeline.alerts.session import SessionAlerts
    from stockstream.pipeline.live import alerting
    from stockstream.pipeline.live.fold import Fold
    from tests.pipeline.live.feed import SESSION

    clock = Clock(OPENS / 1000 - 600)  # ten minutes before the session
    monkeypatch.setattr(alerting, "time", clock)
    of_session = SessionAlerts(Lake(str(lake_with_closes(tmp_path / "lake", 1))), date.fromisoformat(str(DAY)))
    alerts = alerting.StreamAlerts(of_session, SESSION, "polygon", None)
    fold = Fold(SESSION)

    def silent_at(moment: float) -> list[float | None]:
        clock.seconds = OPENS / 1000 + moment
        return [alert.value for alert in asyncio.run(alerts.run(fold.bars.values())) if alert.rule == "feed_silent"]

    assert silent_at(-10) == []
    assert silent_at(119) == []
    assert silent_at(121) == [121.0]  # no event since the opening
    assert silent_at(200) == []  # the cooldown
    clock.seconds = OPENS / 1000 + 2000
    alerts.note({}, [object()])
    assert silent_at(2100) == []
    assert silent_at(2130) == [130.0]
    closed = (SESSION.closes - OPENS) / 1000
    clock.seconds = OPENS / 1000 + closed - 60
    alerts.note({}, [object()])
    assert silent_at(closed + 1800) == []  # after the session it is quiet
    of_session.close()
