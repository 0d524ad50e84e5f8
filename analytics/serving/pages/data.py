"""The health of the data: generations, progress of the steps, gaps, checks, values that were held back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from stockstream.analytics.serving.generations import Generations, Served
from stockstream.analytics.serving.pages.rendering import rows_of
from stockstream.pipeline.generation_history import history
from stockstream.pipeline.lake import check_key

SHOWN = 20
STEPS = """
    SELECT step, count(*) AS symbols, max(last_date) AS through, sum(bars) AS bars
    FROM watermarks GROUP BY step ORDER BY length(step), step
"""
REASONS = "SELECT reason, count(*) AS cells, count(DISTINCT file) AS files FROM quarantine GROUP BY reason ORDER BY ALL"


def content_of(generations: Generations) -> Callable[[Served, Request], dict[str, Any]]:
    """Return the function that returns what the page shows; it reads the lake beside the serving file."""

    def content(served: Served, request: Request) -> dict[str, Any]:
        cursor, store = served.cursor, generations.lake.store
        stored = store.get(check_key(served.generation))
        [(bars, symbols, first, last)] = cursor.execute(
            "SELECT count(*), count(DISTINCT symbol), min(date), max(date) FROM bars_as_traded"
        ).fetchall()
        return {
            "generation": served.generation,
            "fault": generations.fault,
            "bars": bars,
            "symbols": symbols,
            "first": first,
            "last": last,
            "steps": rows_of(cursor.execute(STEPS)),
            "checks": json.loads(stored.data)["checks"] if stored else [],
            "quarantine": rows_of(cursor.execute(REASONS)),
            "pending": rows_of(
                cursor.execute(f"SELECT symbol, date, source FROM pending ORDER BY date DESC, symbol LIMIT {SHOWN}")
            ),
            "gaps": rows_of(cursor.execute(f"FROM gap_counts ORDER BY missing DESC, symbol LIMIT {SHOWN}")),
            "history": history(generations.lake)[:SHOWN],
        }

    return content
