"""`stockstream schedule`: prints what runs the pipeline every day, for systemd or cron."""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated

import typer

from stockstream.analytics.cli.options import JsonOption, LakeOption, MarketOption, lake_uri, market_of
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.schedules import Schedule, cron_line, schedule_of, systemd_units
from stockstream.pipeline.configuration import PREFIX, Settings
from stockstream.pipeline.lake import Lake
from stockstream.sql.errors import UsageError


@command("schedule", Panel.PIPELINE, 25)
def schedule_command(
    ctx: typer.Context,
    options: Annotated[list[str] | None, typer.Argument(metavar="[-- OPTIONS OF run]", show_default=False)] = None,
    lake: LakeOption = None,
    market: MarketOption = None,
    systemd: Annotated[bool, typer.Option("--systemd", help="A service and a timer.")] = False,
    user: Annotated[bool, typer.Option("--user", help="systemd: units of your own, without root.")] = False,
    cron: Annotated[bool, typer.Option("--cron", help="A line for `crontab -e`.")] = False,
    at: Annotated[
        str | None,
        typer.Option(metavar="HH:MM", help="Local time on the exchange.", show_default="45 minutes after its close"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="systemd: write the units to this folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the units or the line that run the pipeline after every session, by the clock of the exchange.

    What follows `--` is added to `stockstream run`. Secrets and variables of this shell are not in it.

    Example: stockstream schedule --systemd --user --lake ./lake -- --log-file run.log --on-failure email
    """
    if systemd == cron:
        raise UsageError("write --systemd or --cron")
    if cron and (user or output):
        raise UsageError(f"{'--user' if user else '-o'} is for --systemd; the line is for `crontab -e`")
    chosen = tuple(options or ())
    opened = Lake(lake_uri(lake))
    _check_options(ctx, opened.uri, chosen)
    schedule = schedule_of(market_of(opened, market), _time(at), opened.uri, chosen, datetime.now(UTC))
    if cron:
        files = {"crontab": cron_line(schedule) + "\n"}
    else:
        files = systemd_units(schedule, None if user else getpass.getuser())
    notes = list(_notes(schedule, is_cron=cron, is_user=user))
    if output is not None:
        _write(output, files)
    if as_json:
        print(json.dumps({"name": schedule.name, "files": files, "notes": notes}))
        return
    for note in notes:
        print(f"# {note}")
    for name, text in files.items():
        if output is not None:
            print(f"# written: {output / name}")
        else:
            print(text if cron else f"\n# {name}\n{text}", end="")


def _check_options(ctx: typer.Context, lake: str, options: tuple[str, ...]) -> None:
    """Let the parser of `stockstream run` read its options, so that a slip is found now and not at night."""
    root = ctx.find_root().command
    run = root.get_command(ctx, "run")  # type: ignore[attr-defined]
    run.make_context("run", ["--lake", lake, *options], parent=None)


def _time(text: str | None) -> time | None:
    if text is None:
        return None
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise UsageError(f"--at {text}: write a time of day from 00:00 to 23:59, as 16:45")
    return time.fromisoformat(text)


def _notes(schedule: Schedule, is_cron: bool, is_user: bool) -> Iterator[str]:
    """Yield what to do with the units, and what they do not have."""
    days = "Tuesday to Saturday" if schedule.is_next_day else "Monday to Friday"
    yield f"{days} at {schedule.at:%H:%M} in {schedule.market.timezone}, for {schedule.market.name}"
    if schedule.is_next_day:
        yield "At this time the bars of the day are not final: the run fetches those of the day before."
    if is_cron:
        yield "Add the line with `crontab -e`; cron mails what a run prints. Settings are lines NAME=value above it."
    else:
        manager = "systemctl --user" if is_user else "systemctl"
        folder = "~/.config/systemd/user" if is_user else "/etc/systemd/system"
        yield f"Into {folder}; then: {manager} daemon-reload && {manager} enable --now {schedule.name}.timer"
        if is_user:
            yield "loginctl enable-linger lets it run while you are not logged in."
    if here := sorted(_set_here()):
        yield f"Set in this shell, and not there yet: {', '.join(here)}"


def _set_here() -> Iterator[str]:
    """Yield the names of the variables of this shell that a run reads, also through boto3."""
    ours = {*Settings.variables()}
    for name, value in os.environ.items():
        is_default = name in ("AWS_REGION", "AWS_DEFAULT_REGION") and value == Settings.aws_region  # set by `settings`
        if (name in ours or name.startswith((PREFIX, "ALERT_", "AWS_"))) and value and not is_default:
            yield name


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write files, each as a whole.

    Raises:
        UsageError: the folder does not exist, or cannot be written.
    """
    for name, text in files.items():
        part = folder / f".{name}.{os.getpid()}.part"
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(folder / name)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise UsageError(f"-o {folder}: {name} cannot be written: {error.strerror}") from None
