"""The answers that are one JSON document, about the lake and the server as they are now: status, checks, history."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stockstream.analytics.serving import models
from stockstream.analytics.serving.answers import REVALIDATED
from stockstream.analytics.serving.generations import Generations
from stockstream.analytics.serving.time_limit import TimeLimit
from stockstream.pipeline.generation_history import history as history_of
from stockstream.pipeline.lake import Lake, check_key

Document = Callable[[Generations], Any]


def health(generations: Generations) -> dict[str, Any]:
    """Return whether the newest generation can be read; a load balancer needs no more."""
    parts = {name: summary() for name, summary in generations.parts.items()}
    return {"status": "fault" if generations.fault else "ok", "generation": generations.newest.generation, **parts}


def status(generations: Generations) -> dict[str, Any]:
    """Return what the served generation has."""
    served = generations.newest
    cursor = served.cursor.execute("SELECT count(*), count(DISTINCT symbol), min(date), max(date) FROM bars_as_traded")
    [(bars, symbols, first, last)] = cursor.fetchall()
    return {
        "generation": served.generation,
        "bars": bars,
        "symbols": symbols,
        "first_date": first,
        "last_date": last,
        "pending": served.cursor.execute("SELECT count(*) FROM pending").fetchall()[0][0],
        "looked_at_seconds_ago": round(time.time() - generations.looked_at, 1),
        "fault": generations.fault,
    }


def checks(generations: Generations) -> dict[str, Any]:
    """Return the findings of the checks that have run on the served generation."""
    return checks_of(generations.lake, generations.newest.generation)


def checks_of(lake: Lake, number: int) -> dict[str, Any]:
    """Return the findings of the checks that have run on a generation."""
    stored = lake.store.get(check_key(number))
    return {"generation": number, "checks": json.loads(stored.data)["checks"] if stored else []}


def history(generations: Generations) -> dict[str, Any]:
    """Return all generations that have not been vacuumed."""
    return {"generations": [entry.model_dump() for entry in history_of(generations.lake)]}


DOCUMENTS: dict[str, tuple[Document, type]] = {
    "/v1/status": (status, models.Status),
    "/v1/checks": (checks, models.Checks),
    "/v1/history": (history, models.History),
    "/health": (health, models.Health),
}
"""The documents by path, with their types."""


def handler(generations: Generations, work: Document, limit: TimeLimit | None) -> Callable[[Request], Any]:
    """Return the function that answers requests for a document; `limit` None: it reads nothing."""

    async def answer(request: Request) -> Response:
        if limit is None:
            return document(request, work(generations))
        return document(request, await limit.run(generations.newest, partial(work, generations)))

    return answer


def document(request: Request, value: Any) -> Response:
    """Return a value as JSON; its ETag is a checksum of the text."""
    body = msgspec.json.encode(value)
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": REVALIDATED}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
