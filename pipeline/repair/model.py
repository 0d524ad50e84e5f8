"""What a repair finds and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypedDict


class Kind(Enum):
    """What an object is, which decides how it is mended."""

    MARKER = "marker"
    CALENDAR = "calendar"
    POINTER = "pointer"
    MANIFEST = "manifest"
    SILVER = "silver"
    """A file that the newest generation names."""
    KEPT = "kept"
    """A silver file that only earlier generations name."""
    BATCH = "batch"
    QUARANTINE = "quarantine"
    LIST = "list"
    METADATA = "metadata"
    RECORD = "record"
    """The findings of checks, or a record of a run."""


@dataclass
class Finding:
    """An object of the lake that is not what it should be, and what repairing it does."""

    object: str
    """Its key."""
    problem: str
    action: str
    kind: Kind
    repaired: bool = False


class FindingReport(TypedDict):
    """A finding as JSON."""

    object: str
    problem: str
    action: str
    repaired: bool


class Loss(TypedDict):
    """What no file of the lake has any more, and how to get it again."""

    object: str
    """The damaged object that had it."""
    what: str
    symbol: str | None
    days: list[str]
    """YYYY-MM-DD; empty if they are not known."""
    rows: int | None
    """None: not known."""
    command: str | None
    """The command that fetches it again; None if no command can."""


class RepairResult(TypedDict):
    """What a repair found and did, or would do."""

    dry_run: bool
    objects: int
    """Objects that were verified."""
    findings: list[FindingReport]
    lost: list[Loss]
    """Of a dry run: empty, because what is lost is known when everything else has been restored."""
    notes: list[str]
    """What has changed beside that: earlier generations that can no longer be read, rows of doubtful files."""
    generation: int | None
    """The newest generation that was published; None: none had to be."""
    exit: int


Progress = Callable[[int, int], None]
"""A function that is called with the number of verified objects and the number of all."""


def describe(finding: Finding) -> FindingReport:
    """Return a finding as JSON."""
    return {
        "object": finding.object,
        "problem": finding.problem,
        "action": finding.action,
        "repaired": finding.repaired,
    }
