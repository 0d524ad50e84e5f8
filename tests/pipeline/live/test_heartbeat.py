"""The heartbeat of a stream in a container, and the health check that reads it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.live import heartbeat
from stockstream.sql.errors import UsageError
from tests.pipeline.live.feed import seconds
from tests.pipeline.live.test_stream import record, run


def check(path: Path | None) -> tuple[int, str]:
    """Run the health check as the container does; return its exit code and message."""
    environment = {name: value for name, value in os.environ.items() if name != heartbeat.SETTING}
    if path is not None:
        environment[heartbeat.SETTING] = str(path)
    command = [sys.executable, "-m", "stockstream.pipeline.live.heartbeat"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip()


@pytest.mark.slow
def test_a_stream_whose_heart_beats_is_healthy_until_a_minute_after_its_last_beat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "heartbeat"
    assert check(path) == (1, f"{path}: No such file or directory")
    monkeypatch.setenv(heartbeat.SETTING, str(path))
    settings.cache_clear()
    assert run(record(tmp_path / "day.jsonl", seconds(["AAA"], 5)), tmp_path / "lake")[0] == 0
    assert check(path) == (0, "")
    before = time.time() - heartbeat.MAX_AGE - 30
    os.utime(path, (before, before))
    code, message = check(path)
    assert code == 1
    assert f"{path} was touched 9" in message
    assert check(None) == (1, "STOCKSTREAM_HEARTBEAT is not set")


def test_the_heart_beats_only_while_the_event_loop_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "SECONDS", 0.01)
    path = tmp_path / "heartbeat"

    def beaten() -> bool:
        return path.stat().st_mtime > 1000

    async def both() -> tuple[bool, bool]:
        async with heartbeat.beating(str(path)):
            await asyncio.sleep(0)  # the first beat is due in a moment
            os.utime(path, (0, 0))
            time.sleep(0.3)
            stuck = beaten()
            for _ in range(1000):
                await asyncio.sleep(0.02)
                if beaten():
                    break
            return stuck, beaten()

    assert asyncio.run(both()) == (False, True)


def test_a_heartbeat_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(heartbeat.SETTING, str(tmp_path / "absent" / "heartbeat"))
    settings.cache_clear()
    code, _, message = run(record(tmp_path / "day.jsonl", seconds(["AAA"], 5)), tmp_path / "lake")
    assert (code, message.endswith("cannot be written: No such file or directory")) == (UsageError.exit_code, True), (
        message
    )
