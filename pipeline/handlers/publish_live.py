"""The Lambda function that publishes live bars, every minute: items → states in the lake, repairs, alerts, metrics.

After a session it arranges the raw events, one file per run.

Environment: STOCKSTREAM_LAKE, LIVE_TABLE; for repairs from Polygon POLYGON_API_KEY_PARAMETER; for alerts by SNS
ALERT_TOPIC_ARN. At most one runs at a time (reserved concurrency of 1), and the session's lease keeps a stream on
another machine from writing the same bars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import StockStreamError, UsageError
from stockstream.pipeline.handlers.live_metrics import put_metrics
from stockstream.pipeline.handlers.runtime import Invocation, lambda_handler, logger
from stockstream.pipeline.live.announcement import Announcement, new_fold
from stockstream.pipeline.live.arranging import arrange
from stockstream.pipeline.live.facts import ends_at
from stockstream.pipeline.live.item_repair import ItemRepairs
from stockstream.pipeline.live.items import CLIENT, Item, ItemTable
from stockstream.pipeline.live.publication import Published, publish, sessions_to_publish
from stockstream.pipeline.live.published_alerts import alert
from stockstream.pipeline.live.session_hours import hours_of
from stockstream.pipeline.live.sources import Feed, Plan, open_feed
from stockstream.pipeline.live.sources.polygon import PolygonFeed

_repairs = ItemRepairs()


@lambda_handler
def handler(event: dict[str, Any], invocation: Invocation) -> Mapping[str, Any]:
    """Event: that of the schedule. Returns what was published per session."""
    name = invocation.settings.live_table
    if not name:
        raise UsageError("set LIVE_TABLE: the DynamoDB table of the live bars")
    client = boto3.client("dynamodb", config=CLIENT)
    results = [
        _session(client, name, announcement, invocation)
        for announcement in sessions_to_publish(invocation.lake, invocation.now)
    ]
    _report(results, invocation)
    return {"sessions": [_shown(result) for result in results]}


def _session(client: Any, name: str, announcement: Announcement, invocation: Invocation) -> Published:
    base = announcement.fold()
    table = ItemTable(client, name, lambda: new_fold(base))
    result, items = publish(invocation.lake, table, name, announcement)
    if result.refused:
        logger.warning("%s is not published: %s", result.session, result.refused)
        return result
    if result.symbols_with_missed:
        _repair(table, announcement, items, result, invocation)
    _alert(announcement, result, invocation)
    if invocation.now.timestamp() >= ends_at(announcement.session):
        result.arranged = arrange(invocation.lake, announcement.session.date)
    return result


def _alert(announcement: Announcement, result: Published, invocation: Invocation) -> None:
    """Run the alert rules, from the opening until the bars are final; a replay's clock is its newest event."""
    now = invocation.now.timestamp()
    if announcement.source.startswith("replay:"):
        now = (result.newest or 0) / 1000
    if not announcement.session.opens / 1000 <= now < ends_at(announcement.session):
        return
    try:
        result.alerts = alert(invocation.lake, announcement.session, result, now)
    except StockStreamError as error:
        logger.exception("no alerts: %s", error)
        result.alerts = {"errors": [str(error)], "new": 0, "delivery": {}}
    if result.alerts["errors"]:
        logger.warning("alert rules", extra={"errors": result.alerts["errors"]})


def _repair(
    table: ItemTable, announcement: Announcement, items: Mapping[str, Item], result: Published, invocation: Invocation
) -> None:
    """Repair bars from the vendor's REST API, and publish those that are."""
    try:
        feed = _feed(announcement, invocation.market, invocation.settings)
        if feed is not None:
            result.repairs = _repairs.run(invocation.lake, table, announcement, items, feed)
            if feed.notes:
                logger.warning("repairs", extra={"notes": feed.notes})
    except StockStreamError as error:
        logger.warning("no repairs: %s", error)
    if result.repairs["repaired"]:
        again, _ = publish(invocation.lake, table, invocation.settings.live_table or "", announcement)
        result.missed, result.symbols_with_missed = again.missed, again.symbols_with_missed
        result.state = again.state or result.state


def _feed(announcement: Announcement, market: Any, values: Settings) -> Feed | None:
    """Return the source of a session, to repair from; None for a replay."""
    source = announcement.source
    plan = Plan(market, announcement.session, channel=announcement.channel)
    if source.startswith("replay:"):
        return None
    return PolygonFeed.with_settings(plan, values) if source == "polygon" else open_feed(source, plan)


def _report(results: list[Published], invocation: Invocation) -> None:
    """Put the metrics: of all sessions together, and the silence of the one that is running."""
    values = {
        "LiveSymbols": float(sum(result.symbols for result in results)),
        "MissedShares": sum(result.missed for result in results),
        "SymbolsWithMissed": float(sum(result.symbols_with_missed for result in results)),
        "StatesWritten": float(sum(result.state is not None for result in results)),
        "RepairedBars": float(sum(result.repairs["repaired"] for result in results)),
        "Alerts": float(sum(result.alerts.get("new", 0) for result in results)),
        "AlertRuleErrors": float(sum(len(result.alerts.get("errors", ())) for result in results)),
        "UndeliveredAlerts": float(sum(map(_undelivered, results))),
    }
    now = 1000 * invocation.now.timestamp()
    hours = hours_of(invocation.lake, invocation.market.today(invocation.now))
    if hours is not None and hours[0] <= now < hours[1]:  # also if no producer has announced the session
        today = str(invocation.market.today(invocation.now))
        newest = max((result.newest or 0 for result in results if result.session == today), default=0)
        values["SecondsSinceEvent"] = max(0.0, (now - max(newest, hours[0])) / 1000)
    put_metrics(values, invocation.market, invocation.settings.environment)


def _undelivered(result: Published) -> int:
    reports = result.alerts.get("delivery", {}).values()
    return sum(int(report["waiting"]) + int(report["failed"]) for report in reports)


def _shown(result: Published) -> dict[str, Any]:
    return {
        "session": result.session,
        "symbols": result.symbols,
        "missed": result.missed,
        "symbols_with_missed": result.symbols_with_missed,
        "state": result.state,
        "refused": result.refused,
        "repairs": dict(result.repairs),
        "arranged": result.arranged,
        "alerts": {name: result.alerts.get(name) for name in ("new", "by_rule", "errors", "delivery")},
    }
