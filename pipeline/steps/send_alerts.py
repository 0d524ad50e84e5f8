"""Send the alerts of the batch rules, such as the signals of the day, and the orders of paper accounts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stockstream.pipeline.alerts.channels import is_one_configured
from stockstream.pipeline.alerts.model import PAPER
from stockstream.pipeline.alerts.outstanding import deliver, failures, notes, undelivered
from stockstream.pipeline.buckets import limit_memory
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.events import SendAlertsEvent, SendAlertsResult
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.staging import staging_folder
from stockstream.sql.extras import require
from stockstream.sql.session import explained

MAX_AGE = timedelta(days=7)
"""Age of a session after which nothing is sent about it: its record may be deleted, and it is no news."""


def run(event: SendAlertsEvent, lake: Lake) -> SendAlertsResult:
    """Run the batch rules on the newest session, and deliver what has not been delivered.

    It is off unless a person has configured a channel, or named rules, which may use the log.
    Each alert is recorded before it is sent, so that a rerun sends only what is new or was not delivered.

    Raises:
        UsageError: a package that the record needs is not installed.
        LakeError: the lake cannot be read or written.
    """
    result: SendAlertsResult = {"session": None, "alerts": 0, "channels": {}, "failed": {}, "notes": []}
    paths = [Path(path) for path in event.get("sql_path") or ()]
    if not paths and not is_one_configured():
        return result
    require("msgspec", by="alerting")
    from stockstream.pipeline.alerts import batch  # with pydantic, yaml and msgspec: only if there is a channel
    from stockstream.pipeline.alerts.memory import AlertMemory
    from stockstream.pipeline.alerts.rules import find_rules

    rules = find_rules(*paths)
    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    since = (lake.market() or MARKETS[settings().market]).today(now) - MAX_AGE
    with explained(lake.uri), lake.session() as con, staging_folder() as folder:
        limit_memory(con, folder)
        newest = batch.newest_session(con, since)
        if newest is None:
            result["notes"].append(f"no bar is newer than {since}: nothing is sent about earlier sessions")
            return result
        session, close = newest
        alerts, errors = batch.evaluate(con, rules, session, close)
    memory = AlertMemory(lake, str(session), deletes=False)
    memory.load()
    new = memory.add(alerts, {})
    names = {rule.name for rule in batch.batch_rules(rules)}
    due = [one for one in undelivered(memory) if one.rule in names or one.rule.startswith(PAPER)]
    report = deliver(due, memory)
    return {
        "session": str(session),
        "alerts": len(new),
        "channels": {name: asdict(one) for name, one in report.items()},
        "failed": {**{f"rule {name}": error for name, error in errors.items()}, **failures(report)},
        "notes": notes(report),
    }
