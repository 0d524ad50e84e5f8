"""An alert: what a rule has reported about a symbol in a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "critical"]
PAPER = "paper "
"""What the rule of an alert about a paper account begins with; its name follows."""


@dataclass(frozen=True)
class Alert:
    """A row of a rule, with what its header says about delivery."""

    rule: str
    symbol: str
    session: str
    """YYYY-MM-DD."""
    at: str
    """ISO 8601, UTC: the clock of the events, which in a replay is that of the recording."""
    severity: Severity
    value: float | None
    message: str
    channels: tuple[str, ...]
    """Names of channels (`channels/NAME.py`), such as log, webhook, sns."""

    @property
    def key(self) -> str:
        """The identity of the alert: a rule alerts once per symbol and session, unless its cooldown says otherwise."""
        return f"{self.rule}/{self.symbol}/{self.session}"

    @property
    def identity(self) -> str:
        """What distinguishes it from all others, also if its rule alerts again after a cooldown."""
        return f"{self.key}/{self.at}"
