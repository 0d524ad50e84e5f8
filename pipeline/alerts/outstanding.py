"""Delivering what a session's record says is not delivered yet: for a step and a command, which wait for the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.notifier import ChannelReport, Notifier
from stockstream.pipeline.alerts.outbox import Outbox
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import LIVE, Lake
from stockstream.sql.extras import require

if TYPE_CHECKING:
    from stockstream.pipeline.alerts.memory import AlertMemory

SECONDS = 120.0
"""How long deliveries may take; what is not delivered then stays in the record."""


class Records:
    """The records of the sessions that a lake keeps, or of one of them; an outbox for the notifier."""

    def __init__(self, lake: Lake, session: str | None = None) -> None:
        """Read the records.

        Raises:
            UsageError: there is none of this session, or a package is not installed.
            LakeError: a record cannot be read.
        """
        require("msgspec", by="alerting")
        from stockstream.pipeline.alerts.memory import FOLDER, AlertMemory

        keys = [key.split("/") for key in lake.store.list(LIVE)]
        sessions = sorted({key[1] for key in keys if len(key) == 4 and f"{key[2]}/" == FOLDER})
        if session is not None and session not in sessions:
            others = f": there are those of {', '.join(sessions)}" if sessions else ""
            raise UsageError(f"{lake.uri} has no alerts of the session {session}{others}")
        self.outstanding: list[Alert] = []
        """What is not delivered, the oldest session first."""
        self._memory_of: dict[str, AlertMemory] = {}
        for name in [session] if session else sessions:
            memory = AlertMemory(lake, name)
            memory.load()
            alerts = undelivered(memory)
            self.outstanding += alerts
            self._memory_of |= {alert.identity: memory for alert in alerts}

    def mark_delivered(self, identities: Collection[str], channel: str, at: str) -> None:
        """Remember deliveries, each in the record of its session.

        Raises:
            LakeError: a record cannot be written.
        """
        by_memory: dict[AlertMemory, list[str]] = {}
        for identity in identities:
            by_memory.setdefault(self._memory_of[identity], []).append(identity)
        for memory, chosen in by_memory.items():
            memory.mark_delivered(chosen, channel, at)


def undelivered(memory: AlertMemory) -> list[Alert]:
    """Return the alerts that a channel has not got; `channels` of each are those that are outstanding."""
    return [replace(one.alert, channels=one.waits_for) for one in memory.undelivered]


def deliver(alerts: Sequence[Alert], outbox: Outbox, seconds: float = SECONDS) -> dict[str, ChannelReport]:
    """Deliver alerts and wait for the end; return what each channel has done."""
    notifier = Notifier(outbox, settings().retry_attempts)
    notifier.send(alerts)
    return notifier.close(seconds)


def failures(report: Mapping[str, ChannelReport]) -> dict[str, str]:
    """Return what was not delivered, by channel, with the reasons."""
    return {name: failure_of(one) for name, one in report.items() if not one.is_complete}


def notes(report: Mapping[str, ChannelReport]) -> list[str]:
    """Return a line per channel that is not configured."""
    return [f"{next(iter(one.reasons))} ({one.not_configured} alerts)" for one in report.values() if one.not_configured]


def failure_of(report: ChannelReport) -> str:
    """Return what a channel has not delivered, with the reasons."""
    reasons = [f"{count}: {reason}" for reason, count in report.reasons.items()]
    if report.waiting:
        reasons.append(f"{report.waiting}: no time was left")
    if report.unrecorded:
        reasons.append(f"{report.unrecorded} delivered without a record, so that they may come again")
    return f"not delivered {', '.join(reasons)}" if report.failed or report.waiting else ", ".join(reasons)
