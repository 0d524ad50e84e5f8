"""Delivering what a session's record says is not delivered yet: for a step and a command, which wait for the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.notifier import ChannelReport, Notifier
from stockstream.pipeline.configuration import settings

if TYPE_CHECKING:
    from stockstream.pipeline.alerts.memory import AlertMemory

SECONDS = 120.0
"""How long deliveries may take; what is not delivered then stays in the record."""


def outstanding(memory: AlertMemory) -> list[Alert]:
    """Return the alerts that a channel has not got; `channels` of each are those that are outstanding."""
    return [replace(one.alert, channels=one.waits_for) for one in memory.undelivered]


def deliver(alerts: Sequence[Alert], memory: AlertMemory, seconds: float = SECONDS) -> dict[str, ChannelReport]:
    """Deliver alerts and wait for the end; return what each channel has done."""
    notifier = Notifier(memory, settings().retry_attempts)
    notifier.send(alerts)
    return notifier.close(seconds)


def failures(report: Mapping[str, ChannelReport]) -> dict[str, str]:
    """Return what was not delivered, by channel, with the reasons."""
    return {name: _failure(one) for name, one in report.items() if not one.is_complete}


def notes(report: Mapping[str, ChannelReport]) -> list[str]:
    """Return a line per channel that is not configured."""
    return [f"{next(iter(one.reasons))} ({one.not_configured} alerts)" for one in report.values() if one.not_configured]


def _failure(report: ChannelReport) -> str:
    reasons = [f"{count}: {reason}" for reason, count in report.reasons.items()]
    if report.waiting:
        reasons.append(f"{report.waiting}: no time was left")
    if report.unrecorded:
        reasons.append(f"{report.unrecorded} delivered without a record, so that they may come again")
    return f"not delivered {', '.join(reasons)}" if report.failed or report.waiting else ", ".join(reasons)
