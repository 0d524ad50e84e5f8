"""What a check for look-ahead has found, and what it could not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of a check."""

    clear = "clear"
    """No decision changed."""
    looks_ahead = "looks ahead"
    """A decision depends on later bars, or on something that no session can know."""
    not_proved = "not proved"
    """The check cannot say: the strategy does not decide, or uses something that cannot be cut."""


@dataclass(frozen=True)
class Verdict:
    """The result of the check."""

    outcome: Outcome
    decisions: int
    """Number of decisions in the run on the original lake."""
    days: tuple[date, ...] = ()
    """The days after which the lake was cut, in order."""
    checked: int = 0
    """Number of decisions that were taken on one of these days, and so were compared without any later bar."""
    difference: str | None = None
    """Why the strategy looks ahead, in words; None if it does not."""
    doubt: str | None = None
    """Why the check cannot say; None if it can."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The columns of the strategy's query that have later bars in them, each with an example."""
    unseen: tuple[str, ...] = ()
    """What the check could not see, in sentences."""
    seconds: float = 0.0
    """CPU time of all runs."""
    backtest_seconds: float = 0.0
    """CPU time of the first run, which is the backtest itself."""
