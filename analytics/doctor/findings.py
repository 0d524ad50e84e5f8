"""A finding of `stockstream doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Finding:
    """What was seen, without secrets, and what to do."""

    check: str
    """What was looked at: versions, settings, source, alerts, credentials, clock, disk, lake."""
    state: State
    text: str
    action: str | None = None
    """What to do; None: nothing, or the text says it."""

    @classmethod
    def ok(cls, check: str, text: str) -> Self:
        """Return a finding that is as it should be."""
        return cls(check, "ok", text)

    @classmethod
    def warning(cls, check: str, text: str, action: str | None = None) -> Self:
        """Return a finding with which a run works, or what could not be looked at."""
        return cls(check, "warning", text, action)

    @classmethod
    def failed(cls, check: str, text: str, action: str | None = None) -> Self:
        """Return a finding with which a command fails, or is wrong."""
        return cls(check, "failed", text, action)
