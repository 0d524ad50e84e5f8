"""The publication of a session's items: from DynamoDB to `live/SESSION/bars/` in the lake, where the views read them.

It writes the same states as a stream on one machine (`state.py`), under the same lease, and only if a bar has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from stockstream.pipeline import pointer
from stockstream.pipeline.lake import Lake, live_key
from stockstream.pipeline.live.announcement import Announcement, announced_sessions, announcement_of
from stockstream.pipeline.live.events import KINDS
from stockstream.pipeline.live.facts import ends_at
from stockstream.pipeline.live.items import Item, ItemTable
from stockstream.pipeline.live.lease import Lease, LeaseTakenError
from stockstream.pipeline.live.state import State, StateTable, forget_old_sessions

SOURCE = "dynamodb:"
"""What the source of a published state begins with."""
FOLLOWED = timedelta(hours=18)
"""Age of an announcement up to which its session is published: from before the opening to the end of the evening."""
AFTER = timedelta(hours=1)
"""Time after which a bar is final in which late events and repairs still come."""


@dataclass
class Published:
    """What a publication has found and done."""

    session: str
    symbols: int = 0
    missed: float = 0.0
    """Shares that the feed reports and no event had."""
    symbols_with_missed: int = 0
    newest: int | None = None
    """Time of the newest event, in milliseconds."""
    state: str | None = None
    """Key of the state that was written; None: no bar has changed, or the session is not ours."""
    refused: str | None = None
    """Why the session is not published: a stream of another machine writes it."""
    arranged: str | None = None
    """Key of the file of raw events that was written."""
    repairs: Counter[str] = field(default_factory=Counter)
    alerts: dict[str, Any] = field(default_factory=dict)
    """The status of the session's alerts; empty if the rules did not run."""


def sessions_to_publish(lake: Lake, now: datetime) -> list[Announcement]:
    """Return the announced sessions whose bars may still change; a replay's are those of its announcement's day.

    Raises:
        LakeError: the lake cannot be read.
    """
    followed = [day for day, age in sorted(announced_sessions(lake).items()) if age < FOLLOWED]
    announcements = [one for day in followed if (one := announcement_of(lake, day)) is not None]
    late = now.timestamp() - AFTER.total_seconds()
    return [one for one in announcements if one.source.startswith("replay:") or late < ends_at(one.session)]


def publish(
    lake: Lake, table: ItemTable, name: str, announcement: Announcement
) -> tuple[Published, Mapping[str, Item]]:
    """Write the state of a session if its items have changed; return what was found, and the items by symbol.

    Raises:
        LakeError: the table cannot be read, or the lake cannot be written.
    """
    session = announcement.session.date
    items = table.items(announcement.symbols)
    result = _summary(session, items)
    lease = Lease(lake.store, live_key(session, "lease.json"), f"the session {session}")
    try:
        lease.acquire()
    except LeaseTakenError as error:
        result.refused = str(error)
        return result, items
    try:
        states = StateTable(lake, session)
        before = states.load()
        if before is not None and not before.source.startswith(SOURCE):
            result.refused = f"the live bars of {session} are from {before.source}"
            return result, items
        if before is None and items:
            forget_old_sessions(lake)
            pointer.refresh(lake)  # readers on S3 learn from it that there are raw events
        state = _state(session, f"{SOURCE}{name}", items)
        if state.bars and (before is None or before.bars != state.bars):
            result.state = states.save(state)
    finally:
        lease.release()
    return result, items


def _state(session: str, source: str, items: Mapping[str, Item]) -> State:
    rows = [items[symbol].row for symbol in sorted(items)]
    kinds = {item.kind for item in items.values() if item.kind}
    tag: Any = next((name for name, kind in KINDS.items() if kinds == {kind}), None)
    return State(session, source, "", tag, {}, datetime.now(UTC).isoformat(timespec="milliseconds"), rows)


def _summary(session: str, items: Mapping[str, Item]) -> Published:
    rows = [item.row for item in items.values() if item.row.events]
    missed = [row.missed for row in rows if row.missed]
    newest = max((row.at for row in rows), default=None)
    return Published(session, len(rows), sum(missed), len(missed), newest)
