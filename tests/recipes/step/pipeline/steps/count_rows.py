"""Step: the number of bars in the lake."""

from __future__ import annotations

from stockstream.pipeline.events.steps import CountRowsResult, Event
from stockstream.pipeline.lake import Lake


def run(event: Event, lake: Lake) -> CountRowsResult:
    """Return the number of bars."""
    with lake.session() as con:
        return {"rows": con.execute("SELECT count(*) FROM bars").fetchall()[0][0]}
