"""Step: the range of each bar in per cent of its close."""

from __future__ import annotations

from stockstream.pipeline.derived import DerivedTable, refresh
from stockstream.pipeline.events import DeriveEvent, DeriveResult
from stockstream.pipeline.lake import Lake

TABLE = DerivedTable("daily_ranges", "steps/daily_ranges")


def run(event: DeriveEvent, lake: Lake) -> DeriveResult:
    """Publish a generation whose ranges are computed from the newest consolidated bars.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    published = refresh(lake, TABLE.name, [TABLE], full=bool(event.get("full")))
    return {"generation": published.generation, "tables": published.report}
