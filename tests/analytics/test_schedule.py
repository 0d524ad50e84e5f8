"""`stockstream schedule`: systemd accepts the units, a shell runs cron's line at the exchange's hour, and only then."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.analytics.test_cli import CSV, _empty_folder, assert_one_error, run_cli

__all__ = ["_empty_folder"]  # a fixture

STOCKSTREAM = Path(sys.executable).with_name("stockstream")
SYDNEY, NEW_YORK = ZoneInfo("Australia/Sydney"), ZoneInfo("America/New_York")


def make_lake(market: str, name: str = "lake") -> str:
    state = Path(name, "state")
    state.mkdir(parents=True)
    (state / "lake.json").write_text(json.dumps({"market": market}))
    return str(Path(name).absolute())


def schedule(*arguments: str) -> dict[str, str]:
    ran = run_cli("schedule", "--json", *arguments)
    assert (ran.code, ran.err) == (0, ""), ran
    files: dict[str, str] = json.loads(ran.out)["files"]
    return files


@pytest.mark.parametrize(
    ("market", "zone"), [("ASX", "Australia/Sydney"), ("US", "America/New_York")], ids=["ASX", "US"]
)
@pytest.mark.parametrize("user", [[], ["--user"]], ids=["system", "user"])
def test_units(market: str, zone: str, user: list[str]) -> None:
    lake = make_lake(market, "My lake 5%")
    options = ["--symbols", "BHP,^AXJO", "--source", 'files:a "b" $HOME.csv']
    units = schedule("--systemd", *user, "--lake", lake, "--", *options)
    assert list(units) == ["stockstream-my-lake-5.service", "stockstream-my-lake-5.timer"]
    service, timer = units.values()
    assert f"OnCalendar=Mon..Fri 16:45 {zone}\n" in timer
    words = f'run --lake "{lake.replace("%", "%%")}" --symbols BHP,^AXJO --source "files:a \\"b\\" $$HOME.csv"'
    assert f"ExecStart={STOCKSTREAM} {words}\n" in service
    assert f"WorkingDirectory={Path.cwd()}\n" in service
    assert ("User=" in service) == (not user)
    assert ("network-online.target" in service) == (not user)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("user", [[], ["--user"]], ids=["system", "user"])
def test_systemd_accepts_the_units(user: list[str]) -> None:
    Path("units").mkdir()
    ran = run_cli("schedule", "--systemd", *user, "--lake", make_lake("US", "My lake 5%"), "-o", "units")
    assert ran.code == 0, ran
    assert "# written: units/stockstream-my-lake-5.timer" in ran.out
    files = sorted(Path("units").iterdir())
    assert [path.suffix for path in files] == [".service", ".timer"], "no temporary file stays"
    mode = ["--user"] if user else []
    command = ["systemd-analyze", *mode, "verify", "--recursive-errors=no", "--man=no", *map(str, files)]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(Path.cwd())}
    verified = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    (timer,) = (path for path in files if path.suffix == ".timer")
    timer.write_text(timer.read_text().replace("America/New_York", "America/Newyork"))
    verified = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert "Failed to parse calendar" in verified.stderr, "it would have noticed"


@pytest.fixture
def clock(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose `date` is the real one, with the moment in $MOMENT."""
    (tmp_path / "bin").mkdir()
    date = tmp_path / "bin" / "date"
    date.write_text(f'#!/bin/sh\nexec {shutil.which("date")} -d "@$MOMENT" "$@"\n')
    date.chmod(0o755)
    return {**os.environ, "PATH": f"{date.parent}:{os.environ['PATH']}"}


def minute_and_command(line: str) -> tuple[set[int], str]:
    """Return what cron makes of a line: at which minutes it starts which command of /bin/sh."""
    minutes, *rest = line.rstrip("\n").split(" ", 5)
    assert rest[:4] == ["*"] * 4
    assert "%" not in rest[4].replace(r"\%", ""), "cron takes % for a new line"
    return {int(minute) for minute in minutes.split(",")}, rest[4].replace(r"\%", "%")


def runs(line: str, moment: datetime, clock: dict[str, str]) -> str:
    """Return what a line prints that cron starts at a moment, on a machine in India; nothing if it does not run."""
    minutes, command = minute_and_command(line)
    if moment.astimezone(ZoneInfo("Asia/Kolkata")).minute not in minutes:
        return ""
    environment = {**clock, "MOMENT": str(int(moment.timestamp()))}
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, env=environment, cwd="/").stdout


def test_cron_runs_it_at_the_hour_of_the_exchange(clock: dict[str, str]) -> None:
    lake = make_lake("ASX")
    (line,) = schedule("--cron", "--lake", lake).values()
    marked = line.replace(shlex.quote(str(STOCKSTREAM)), "echo ran")
    expected = f"ran run --lake {lake}\n"
    for moment in (
        datetime(2026, 11, 27, 16, 45, tzinfo=SYDNEY),  # a Friday in summer, and in winter
        datetime(2026, 7, 24, 16, 45, tzinfo=SYDNEY),
    ):
        assert runs(marked, moment, clock) == expected
    for moment in (
        datetime(2026, 11, 27, 16, 30, tzinfo=SYDNEY),
        datetime(2026, 11, 27, 17, 45, tzinfo=SYDNEY),
        datetime(2026, 11, 28, 16, 45, tzinfo=SYDNEY),  # a Saturday
        datetime(2026, 11, 27, 16, 45, tzinfo=NEW_YORK),
    ):
        assert runs(marked, moment, clock) == ""
    (line,) = schedule("--cron", "--lake", lake, "--at", "07:20").values()
    marked = line.replace(shlex.quote(str(STOCKSTREAM)), "echo ran")
    assert runs(marked, datetime(2026, 11, 28, 7, 20, tzinfo=SYDNEY), clock) == expected, "Friday's bars"
    assert runs(marked, datetime(2026, 11, 23, 7, 20, tzinfo=SYDNEY), clock) == "", "Sunday had none"


@pytest.mark.slow
def test_the_line_runs_the_pipeline(clock: dict[str, str]) -> None:
    Path("my bars.csv").write_text(CSV)
    options = ["--source", "files:my bars.csv", "--json"]
    (line,) = schedule("--cron", "--lake", "new lake", "--", *options).values()
    answer = json.loads(runs(line, datetime(2026, 11, 27, 16, 45, tzinfo=SYDNEY), clock))
    assert (answer["status"], answer["rows"], answer["lake"]) == ("complete", 4, str(Path("new lake").absolute()))


def test_secrets_are_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", "key-0af4")
    monkeypatch.setenv("ALERT_WEBHOOK_SECRET", "secret-91c7")
    ran = run_cli("schedule", "--systemd", "--lake", make_lake("US"))
    assert "# Set in this shell, and not there yet: ALERT_WEBHOOK_SECRET, " in ran.out
    assert "POLYGON_API_KEY" in ran.out
    assert "0af4" not in ran.out
    assert "91c7" not in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lake", "lake"], "write --systemd or --cron"),
        (["--lake", "lake", "--cron", "--systemd"], "write --systemd or --cron"),
        (["--lake", "lake", "--cron", "--user"], "--user is for --systemd"),
        (["--lake", "lake", "--cron", "--at", "24:00"], "write a time of day"),
        (["--lake", "lake", "--systemd", "-o", "nowhere"], "cannot be written: No such file or directory"),
        (["--lake", "lake", "--cron", "--", "--lake", "other"], "--lake stands on the command line twice"),
        (["--lake", "lake", "--cron", "--", "--symbols", ""], "--symbols"),
    ],
)
def test_slips(arguments: list[str], words: str) -> None:
    assert_one_error(run_cli("schedule", *arguments), 2, words)


def test_an_unknown_option_of_the_run_is_refused_now() -> None:
    ran = run_cli("schedule", "--cron", "--lake", "lake", "--", "--sorce", "yahoo")
    assert (ran.code, ran.out) == (2, "")
    assert "--source" in ran.err
