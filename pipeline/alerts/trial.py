"""An alert that is none, to try channels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from stockstream.pipeline.alerts.model import Alert


def trial_alert(channels: Sequence[str]) -> Alert:
    """Return an alert of the rule `test` about the symbol TEST, for some channels."""
    now = datetime.now(UTC)
    text = "This is a test, sent by `stockstream alerts send --test`."
    at = now.isoformat(timespec="milliseconds")
    return Alert("test", "TEST", str(now.date()), at, "info", None, text, tuple(channels))
