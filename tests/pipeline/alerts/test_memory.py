"""The memory of alerts: once per rule, symbol and session, whatever is evaluated again, and by how many processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from stockstream.pipeline.alerts.memory import AlertMemory
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import Lake
from tests.s3_server import S3Server

SESSION = "2026-11-25"
ONCE = {"move": None, "feed_silent": timedelta(minutes=30)}


def alert(rule: str = "move", symbol: str = "AAA", at: str = "15:00:00") -> Alert:
    moment = f"{SESSION}T{at}.000+00:00"
    return Alert(rule, symbol, SESSION, moment, "warning", 6.0, f"{symbol} moved", ("log", "webhook"))


def memory(lake: Lake) -> AlertMemory:
    opened = AlertMemory(lake, SESSION)
    opened.load()
    return opened


def test_an_alert_is_new_once(lake_uri: str) -> None:
    lake = Lake(lake_uri)
    first = memory(lake)
    assert first.add([alert(), alert(at="15:00:01"), alert(symbol="BBB")], ONCE) == [alert(), alert(symbol="BBB")]
    assert first.add([alert(at="19:00:00")], ONCE) == []
    assert first.add([alert("gap")], ONCE) == [alert("gap")]
    again = memory(lake)  # after a kill
    assert [one.alert for one in again.alerts] == [alert(), alert(symbol="BBB"), alert("gap")]
    assert again.add([alert(), alert(symbol="BBB"), alert(symbol="CCC")], ONCE) == [alert(symbol="CCC")]


def test_a_cooldown_is_measured_by_the_clock_of_the_events(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    opened = memory(lake)
    new = [
        at
        for at in ("14:30:00", "14:59:59", "15:00:00", "15:10:00", "15:29:59", "15:45:00")
        if opened.add([alert("feed_silent", "*", at)], ONCE)
    ]
    assert new == ["14:30:00", "15:00:00", "15:45:00"]
    replayed = memory(lake)  # the same events again, from the first on
    times = ("14:30:00", "14:59:59", "15:00:00", "15:45:00", "16:14:59", "16:15:00")
    assert [at for at in times if replayed.add([alert("feed_silent", "*", at)], ONCE)] == ["16:15:00"]


def test_two_processes_alert_about_each_only_once(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    memories = [memory(lake) for _ in range(4)]
    symbols = [f"S{number}" for number in range(30)]

    def work(opened: AlertMemory) -> list[Alert]:
        return [new for symbol in symbols for new in opened.add([alert(symbol=symbol)], ONCE)]

    with ThreadPoolExecutor(4) as pool:
        new = [one.symbol for alerts in pool.map(work, memories) for one in alerts]
    assert sorted(new) == sorted(symbols)
    assert sorted(one.alert.symbol for one in memory(lake).alerts) == sorted(symbols)


def test_deliveries_are_remembered_by_channel(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    opened = memory(lake)
    opened.add([alert(), alert(symbol="BBB")], ONCE)
    opened.mark_delivered([alert().identity], "log", "2026-11-25T15:00:02+00:00")
    again = memory(lake)
    waiting = {one.alert.symbol: one.waits_for for one in again.undelivered}
    assert waiting == {"AAA": ("webhook",), "BBB": ("log", "webhook")}
    again.mark_delivered([one.alert.identity for one in again.undelivered], "webhook", "2026-11-25T15:01:00+00:00")
    again.mark_delivered([alert(symbol="BBB").identity], "log", "2026-11-25T15:01:00+00:00")
    assert memory(lake).undelivered == []
    # A process that has not read the deliveries keeps them when it adds an alert.
    assert opened.add([alert(symbol="CCC")], ONCE) == [alert(symbol="CCC")]
    assert [one.alert.symbol for one in memory(lake).undelivered] == ["CCC"]


def test_a_damaged_memory_is_named(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    memory(lake).add([alert()], ONCE)
    (path,) = (tmp_path / "live" / SESSION / "alerts").iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LakeError, match=r"alerts/000001\.json is damaged .*delete it"):
        memory(lake)


def test_the_memory_on_s3(s3: S3Server) -> None:
    lake = Lake(f"s3://{s3.new_bucket()}/lake")
    one, other = memory(lake), memory(lake)
    assert one.add([alert()], ONCE) == [alert()]
    assert other.add([alert(at="16:00:00"), alert(symbol="BBB")], ONCE) == [alert(symbol="BBB")]
