"""The interface of a channel, and what is delivered over it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar, Self

from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.errors import UsageError
from stockstream.sql.text import one_line


class NotConfigured(UsageError):
    """A channel lacks a setting; the message names it."""


@dataclass(frozen=True)
class Failure:
    """Why a message was not delivered."""

    reason: str
    """In one line, without secrets."""
    is_final: bool
    """Whether the same message would be refused again."""
    after: float | None = None
    """Seconds until the next attempt that the receiver requests."""


@dataclass(frozen=True)
class Message:
    """One alert, or several of a minute as a digest."""

    alerts: tuple[Alert, ...]

    @property
    def is_digest(self) -> bool:
        """Whether it has several alerts."""
        return len(self.alerts) > 1

    @property
    def key(self) -> str:
        """The idempotency key: the identity of the alert, or of a digest the hash of its alerts' identities."""
        if not self.is_digest:
            return self.alerts[0].identity
        text = "\n".join(alert.identity for alert in self.alerts)
        return f"digest/{hashlib.sha256(text.encode()).hexdigest()[:32]}"

    @property
    def subject(self) -> str:
        """What it is about, in a few words."""
        if self.is_digest:
            return f"stockstream: {len(self.alerts)} alerts"
        return f"stockstream {self.alerts[0].severity}: {_titled(self.alerts[0])}"

    @property
    def text(self) -> str:
        """The text for people: a line per alert."""
        lines = [one_line(f"{alert.session} {_titled(alert, alert.message)}: {alert.message}") for alert in self.alerts]
        return "\n".join([f"{len(lines)} alerts:", *lines] if self.is_digest else lines)

    def document(self) -> dict[str, Any]:
        """Return it in JSON's types, for programs: all alerts with their identities, whether it is a digest or not."""
        return {"digest": self.is_digest, "alerts": [document_of(alert) for alert in self.alerts]}


def _titled(alert: Alert, message: str = "") -> str:
    """Return symbol and rule, or the rule alone if the message has the symbol, or the alert is about no symbol."""
    is_named = alert.symbol in ("", "*") or alert.symbol in message.split()
    return one_line(alert.rule if is_named else f"{alert.symbol} {alert.rule}")


def document_of(alert: Alert) -> dict[str, Any]:
    """Return an alert in JSON's types; JSON has no infinite value and no NaN, which are null."""
    return {
        "id": alert.identity,
        "rule": alert.rule,
        "symbol": alert.symbol,
        "session": alert.session,
        "at": alert.at,
        "severity": alert.severity,
        "value": alert.value if alert.value is not None and isfinite(alert.value) else None,
        "message": alert.message,
    }


class Channel(ABC):
    """A way to people or programs. Threads do not share one."""

    name: ClassVar[str]
    """The name of the module, and in the header of a rule."""
    max_messages: ClassVar[int] = 1
    """How many messages `send` takes at once."""
    has_digests: ClassVar[bool] = True
    """Whether more than 20 alerts a minute become a digest."""
    needs_settings: ClassVar[bool] = True
    """Whether a person has to configure it. The signals of the day are sent if one of these channels is configured."""

    @classmethod
    @abstractmethod
    def open(cls) -> Self:
        """Return the channel as the settings configure it.

        Raises:
            NotConfigured: a setting is missing.
            UsageError: a setting is wrong.
        """

    @abstractmethod
    def send(self, messages: Sequence[Message]) -> dict[int, Failure]:
        """Try once to deliver messages, at most `max_messages`; return the failures by their place in the sequence.

        What has no failure was accepted by the receiver.
        """

    def answer(self) -> str:
        """Return what the receiver has answered to the last message that it accepted, in a few words."""
        return "accepted"
