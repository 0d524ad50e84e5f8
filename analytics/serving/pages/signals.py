"""The signals of a day, by kind; the days before and after."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from stockstream.analytics.serving import parameters
from stockstream.analytics.serving.generations import Served
from stockstream.analytics.serving.pages.rendering import rows_of


def content(served: Served, request: Request) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        Problem: the day is none (422).
    """
    query = parameters.parsed(parameters.SignalsPage, request.query_params.multi_items())
    cursor = served.cursor
    day = query.date or cursor.execute("SELECT max(date) FROM indicators").fetchall()[0][0]
    rows = rows_of(
        cursor.execute(
            "SELECT s.signal, s.symbol, m.name, s.close FROM signals AS s "
            "LEFT JOIN symbols AS m ON m.symbol = s.symbol "
            "WHERE s.date = $day ORDER BY s.signal, s.symbol",
            {"day": day},
        )
    )
    [(before, after)] = cursor.execute(
        "SELECT max(date) FILTER (WHERE date < $day), min(date) FILTER (WHERE date > $day) FROM signals", {"day": day}
    ).fetchall()
    by_signal: dict[str, list[Any]] = {}
    for row in rows:
        by_signal.setdefault(row["signal"], []).append(row)
    return {
        "day": day,
        "before": before,
        "after": after,
        "by_signal": by_signal,
        "total": len(rows),
        "generation": served.generation,
    }
