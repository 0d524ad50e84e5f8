"""Alerts on AWS: once per publication, the rules run on the published bars, and what is new is delivered.

Everything is opened and closed in one call: the alerts of a session and their deliveries are remembered in the lake, so
that the next call, in whatever process, neither repeats nor forgets one.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from stockstream.pipeline.alerts.evaluation import FeedState
from stockstream.pipeline.alerts.session import SessionAlerts
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.fold import Session
from stockstream.pipeline.live.publication import Published

DELIVERY_SECONDS = 10.0
"""Time in which new alerts are delivered; the next call delivers the rest."""
_missed_since: dict[str, float] = {}
"""Per session, since when bars have missed events, as far as this process knows."""


def alert(lake: Lake, session: Session, published: Published, now: float) -> dict[str, Any]:
    """Run the rules of a session at a time (seconds since 1970); return the status of its alerts.

    Raises:
        LakeError: the lake cannot be read or written.
        UsageError: a file with levels cannot be read.
    """
    alerts = SessionAlerts(lake, date.fromisoformat(session.date))
    try:
        alerts.evaluate(_feed(session, published, now))
    finally:
        alerts.notifier.close(DELIVERY_SECONDS)
        alerts.close()
    return alerts.status()


def _feed(session: Session, published: Published, now: float) -> FeedState:
    """Return the state of the feed, as a stream on one machine has it."""
    newest = published.newest / 1000 if published.newest else None
    opens, closes = session.opens / 1000, session.closes / 1000
    if published.symbols_with_missed:
        since = _missed_since.setdefault(session.date, now)
    else:
        _missed_since.pop(session.date, None)
        since = now
    return FeedState(
        clock=now,
        newest=newest,
        silent_seconds=max(0.0, min(now, closes) - max(newest or opens, opens)),
        symbols=published.symbols,
        missed=published.missed,
        symbols_missed=published.symbols_with_missed,
        missed_seconds=now - since,
    )
