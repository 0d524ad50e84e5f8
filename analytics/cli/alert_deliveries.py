"""`stockstream alerts send`: deliver the alerts that a channel has not got, or a test message."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from stockstream.analytics.cli.options import JsonOption, LakeOption, day_option, existing_lake
from stockstream.analytics.cli.screen import Screen
from stockstream.sql.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stockstream.pipeline.alerts.model import Alert
    from stockstream.pipeline.alerts.notifier import ChannelReport


def send(
    lake: LakeOption = None,
    session: Annotated[date | None, day_option("--session", "Only this session.", default="all that are kept")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Send a test message over every channel, and print what each answers.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Send the alerts that a channel has not got yet, as after an outage. What was delivered does not come again.

    Exit codes: 0 everything was delivered, 3 a part of it, 1 nothing. A channel that is not configured is only named.

    Example: stockstream alerts send --session 2026-11-20 --dry-run
    """
    if test:
        if dry_run or session is not None or lake is not None:
            raise UsageError("--test sends a test message and no alerts: omit --session, --dry-run and --lake")
        _test(as_json)
        return
    from stockstream.pipeline.alerts.outstanding import Records, deliver

    records = Records(existing_lake(lake), str(session) if session else None)
    if dry_run:
        _show_outstanding(records.outstanding, as_json)
        return
    _end(len(records.outstanding), deliver(records.outstanding, records), as_json)


def _show_outstanding(alerts: Sequence[Alert], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"outstanding": [asdict(alert) for alert in alerts]}))
        return
    from stockstream.pipeline.alerts.channels import Message

    out = Screen()
    for alert in alerts:
        out.print(f"{', '.join(alert.channels):<12}  {alert.severity:<8}  {Message((alert,)).text}", markup=False)
    out.print(f"{len(alerts):,} alerts would be sent")


def _test(as_json: bool) -> None:
    """Send a test message over every channel that is configured; exit with the code of the result."""
    from stockstream.pipeline.alerts.channels import NAMES
    from stockstream.pipeline.alerts.notifier import Notifier
    from stockstream.pipeline.alerts.trial import trial_alert

    notifier = Notifier(attempts=1)
    notifier.send([trial_alert(NAMES)])
    _end(1, notifier.close(60.0), as_json)


def _end(alerts: int, report: Mapping[str, ChannelReport], as_json: bool) -> None:
    """Print what each channel has done, and exit with the code of the result."""
    delivered = sum(one.delivered for one in report.values())
    is_complete = all(one.is_complete for one in report.values())
    code = ExitCode.COMPLETE if is_complete else ExitCode.PARTIAL if delivered else ExitCode.FAILED
    status = {ExitCode.COMPLETE: "complete", ExitCode.PARTIAL: "partial", ExitCode.FAILED: "failed"}[code]
    if as_json:
        channels = {name: asdict(one) for name, one in report.items()}
        print(json.dumps({"status": status, "alerts": alerts, "channels": channels}))
    else:
        out = Screen()
        for name, one in sorted(report.items()):
            out.print(f"{name:<10} {_described(one)}", markup=False)
        out.print(f"{status}   {alerts:,} alerts")
    raise typer.Exit(code)


def _described(report: ChannelReport) -> str:
    """Return what a channel has done in one line."""
    from stockstream.pipeline.alerts.outstanding import failure_of

    if report.not_configured:
        return next(iter(report.reasons))
    parts = []
    if report.delivered:
        digests = f" in {report.messages} messages" if report.digests else ""
        parts.append(f"{report.delivered:,} delivered{digests}: {report.answer}")
    if not report.is_complete:
        parts.append(failure_of(report))
    return "; ".join(parts)
