"""Units that run the pipeline every day on one machine: for systemd, or a line for cron."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.markets import FINAL_AFTER, Market

MARGIN = timedelta(minutes=15)
"""Time from when a session's bar is final to the run: sources have it a little later on some days."""
MIDNIGHT = time()


@dataclass(frozen=True)
class Schedule:
    """A run on every day on which the exchange may have had a session, by the exchange's clock."""

    market: Market
    at: time
    """Local time on the exchange."""
    is_next_day: bool
    """Whether `at` is before the bars of that day are final, so that the run fetches those of the day before."""
    lake: str
    """URI with an absolute path."""
    command: tuple[str, ...]
    folder: Path
    """The working directory, in which `.env` and relative paths are."""

    @property
    def name(self) -> str:
        """The name of the units: that of the lake."""
        return "stockstream-" + (re.sub(r"[^a-z0-9]+", "-", self.lake.lower().rpartition("/")[2]).strip("-") or "lake")


def schedule_of(market: Market, at: time | None, lake: str, options: Sequence[str], now: datetime) -> Schedule:
    """Return the schedule of a lake: at a local time on the exchange, otherwise after its usual close.

    `options` are further options of `stockstream run`.

    Raises:
        UsageError: the command `stockstream` is not on the path, nor beside Python.
    """
    final = _moved(usual_close(market, now), FINAL_AFTER)
    chosen = at or _moved(final, MARGIN)
    uri = lake if lake.startswith("s3://") else str(Path(lake).absolute())
    command = (_executable(), "run", "--lake", uri, *options)
    return Schedule(market, chosen, chosen < final, uri, command, Path.cwd())


def usual_close(market: Market, now: datetime) -> time:
    """Return the local time at which most sessions of the last year have ended."""
    closes = market.schedule(now.year)["close"]
    local = closes[closes <= now.astimezone(UTC)].tail(250).dt.tz_convert(ZoneInfo(market.timezone)).dt.time
    usual: time = local.mode().iloc[0]
    return usual


def _moved(moment: time, by: timedelta) -> time:
    return (datetime.combine(datetime.min, moment) + by).time()


def _executable() -> str:
    """Return the absolute path of the command: beside the Python that runs, which has the same packages."""
    beside = Path(sys.executable).with_name("stockstream")
    path = str(beside) if beside.is_file() else shutil.which("stockstream")
    if path is None:
        raise UsageError("there is no command stockstream beside Python or on the path: install stock-stream with pip")
    return str(Path(path).absolute())


def systemd_units(schedule: Schedule, user: str | None) -> dict[str, str]:
    """Return the text of the service and of the timer by their file names.

    `user` is whose processes a unit of the system starts; None: a unit of the user's own systemd.
    """
    market = schedule.market
    days = "Tue..Sat" if schedule.is_next_day else "Mon..Fri"
    network = "Wants=network-online.target\nAfter=network-online.target\n" if user else ""
    settings = f"/etc/stockstream/{schedule.name}.env" if user else f"%h/.config/stockstream/{schedule.name}.env"
    service = f"""\
[Unit]
Description=Stock Stream: daily bars of {market.name} into {_without_specifiers(schedule.lake)}
{network}
[Service]
Type=oneshot
ExecStart={" ".join(map(_systemd_word, schedule.command))}
WorkingDirectory={_without_specifiers(str(schedule.folder))}
# Settings and keys, a line NAME=value each; the minus sign: the file may be absent.
EnvironmentFile=-{settings}
# 3: complete but for what the log names, such as symbols that the source does not have.
SuccessExitStatus=3
{f"User={user}" + chr(10) if user else ""}TimeoutStartSec=12h
Nice=10
"""
    timer = f"""\
[Unit]
Description=Stock Stream: every day at {schedule.at:%H:%M} in {market.timezone}

[Timer]
OnCalendar={days} {schedule.at:%H:%M} {market.timezone}
# A run that was missed, because the machine was off, is made up for.
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{schedule.name}.service": service, f"{schedule.name}.timer": timer}


def _without_specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _systemd_word(text: str) -> str:
    """Return a word of ExecStart: systemd takes % for a specifier and $ for a variable, and unquotes like a shell."""
    escaped = _without_specifiers(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@%+=:,./^-]+", escaped) else f'"{escaped}"'


def cron_line(schedule: Schedule) -> str:
    """Return a line for `crontab`, which works with every cron, and in every time zone of the machine.

    Few versions of cron know the time zone of a line. So this one looks at the exchange's clock every quarter of an
    hour, which also keeps the hour when either side changes to summer time. All time zones differ by whole quarters.
    """
    minutes = ",".join(str(minute) for minute in range(schedule.at.minute % 15, 60, 15))
    days = "[2-6]" if schedule.is_next_day else "[1-5]"
    command = f"cd {shlex.quote(str(schedule.folder))} && {shlex.join(schedule.command)}"
    line = f'case "$(TZ={schedule.market.timezone} date +%u%H%M)" in {days}{schedule.at:%H%M}) {command} ;; esac'
    return f"{minutes} * * * * " + line.replace("%", r"\%")
