"""What vacuum and rollback take and return."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from stockstream.pipeline.events.fields import Days, Hours, StepEvent

# vacuum

RawMode = Literal["keep", "archive", "remove"]


class VacuumEvent(StepEvent, total=False):
    """What to delete. All ages are measured by the store's clock."""

    delete: bool
    """False by default: only report what would be deleted."""
    retention_hours: Hours
    """How long a generation is kept after it was replaced: 168 by default, at least 1."""
    raw: RawMode
    """Old batch files: `keep` by default; `archive` moves their rows to silver/raw, where the view raw_bars reads them;
    `remove` deletes them."""
    raw_older_than_days: Days
    """30 by default."""


class ExpiryEvent(StepEvent, total=False):
    """What the Lambda function of vacuum takes."""

    retention_hours: Hours
    """How long a generation is kept after it was replaced: 168 by default."""


class RawReport(TypedDict):
    """The batch files that were, or would be, archived or removed."""

    mode: RawMode
    files: int
    bytes: int


class VacuumResult(TypedDict):
    """What a vacuum has deleted, or would delete."""

    dry_run: bool
    files: int
    """Silver files of the generations that are deleted."""
    bytes: int
    """Of these files and the orphans."""
    manifests: list[int]
    """Generations that are deleted."""
    orphans: int
    """Files that no generation names."""
    raw: RawReport
    kept: list[int]
    """Generations that stay."""
    generation: int | None
    """None: no generation had to be published."""


# rollback


class RollbackEvent(TypedDict):
    """Where to go back to. Without `drop_tables`, a generation that lacks a table which the lake has is refused."""

    generation: int
    drop_tables: NotRequired[bool]


class RollbackResult(TypedDict):
    """What a rollback did."""

    generation: int | None
    """None: the lake has these tables already."""
    restores: int
    """The generation whose tables the new one has."""
    set_aside: list[str]
    """Batch files that are set aside now."""
    taken_back: list[str]
    """Batch files that were set aside, and no longer are."""
