"""Alerts of live sessions by rule, and the signals of the same day, as far as the lake keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from stockstream.analytics.serving import parameters
from stockstream.analytics.serving.generations import Generations, Served
from stockstream.analytics.serving.pages.rendering import rows_of
from stockstream.pipeline.alerts.memory import FOLDER, AlertMemory
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.lake import LIVE, Lake

SIGNALS = "SELECT signal, count(*) AS symbols FROM signals WHERE date = $day GROUP BY signal ORDER BY signal"


def content_of(generations: Generations) -> Callable[[Served, Request], dict[str, Any]]:
    """Return the function that returns what the page shows; it reads the lake beside the serving file."""

    def content(served: Served, request: Request) -> dict[str, Any]:
        query = parameters.parsed(parameters.AlertsPage, request.query_params.multi_items())
        sessions = _sessions(generations.lake)
        chosen = query.session.isoformat() if query.session else max(sessions, default=None)
        alerts = _alerts(generations.lake, chosen) if chosen in sessions else []
        by_rule: dict[str, list[Alert]] = {}
        for alert in sorted(alerts, key=lambda one: one.at, reverse=True):
            by_rule.setdefault(alert.rule, []).append(alert)
        [(last,)] = served.cursor.execute("SELECT max(date) FROM signals").fetchall()
        day = chosen or last
        return {
            "session": chosen,
            "sessions": sorted(sessions, reverse=True),
            "by_rule": dict(sorted(by_rule.items())),
            "severities": Counter(alert.severity for alert in alerts),
            "total": len(alerts),
            "day": day,
            "signals": rows_of(served.cursor.execute(SIGNALS, {"day": day})),
            "last": last,
            "generation": served.generation,
        }

    return content


def _sessions(lake: Lake) -> set[str]:
    """Return the days of the live sessions that the lake keeps."""
    return {key.split("/")[1] for key in lake.store.list(LIVE) if "/bars/" in key or f"/{FOLDER}" in key}


def _alerts(lake: Lake, session: str) -> list[Alert]:
    memory = AlertMemory(lake, session)
    memory.load()
    return [one.alert for one in memory.alerts]
