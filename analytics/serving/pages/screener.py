"""The screener: conditions on the newest bar of each symbol, kept in the address, and their SQL."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from stockstream.analytics.serving.generations import Served
from stockstream.analytics.serving.pages.rendering import rows_of
from stockstream.analytics.serving.screening import FLAGS, Condition, columns, conditions_of, numbers, query_of

SHOWN = 200
ORDER = "-value"
FIRST = ("symbol", "name", "date", "close", "change_percent", "value", "return_252")
"""The columns that are always shown; those of the conditions follow."""


def added(request: Request) -> Response | None:
    """Return a redirection to the address with the condition of the form; None if the form was not sent."""
    query = request.query_params
    if not query.get("column"):
        return None
    column = query["column"]
    text = column if column in FLAGS else f"{column}{query.get('operator', '')}{query.get('value', '').strip()}"
    where = ",".join(part for part in (query.get("where", ""), text) if part)
    return RedirectResponse(f"/screener?{urlencode({'where': where, 'order': query.get('order', ORDER)})}", 303)


def content(served: Served, request: Request) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        Problem: a condition or the order is wrong (422).
    """
    conditions = conditions_of(request.query_params.get("where", ""))
    order = request.query_params.get("order", ORDER)
    text = query_of(conditions, order)
    [(total,)] = served.cursor.execute(f"SELECT count(*) FROM ({text})").fetchall()
    shown = [name for name in dict.fromkeys((*FIRST, *_named(conditions))) if name in columns()]
    return {
        "conditions": [(condition, _address(conditions, order, without=condition)) for condition in conditions],
        "where": ",".join(condition.text for condition in conditions),
        "order": order,
        "orders": {name: _address(conditions, f"-{name}" if order != f"-{name}" else name) for name in shown},
        "sql": text,
        "total": total,
        "limit": SHOWN,
        "columns": shown,
        "rows": rows_of(served.cursor.execute(f"SELECT {', '.join(shown)} FROM ({text}) LIMIT {SHOWN}")),
        "numbers": numbers(),
        "flags": FLAGS,
        "csv": f"/v1/screen?{urlencode({'where': ','.join(c.text for c in conditions), 'order': order})}",
        "generation": served.generation,
    }


def _named(conditions: tuple[Condition, ...]) -> list[str]:
    return [name for condition in conditions for name in (condition.left, condition.right)]


def _address(conditions: tuple[Condition, ...], order: str, without: Condition | None = None) -> str:
    where = ",".join(condition.text for condition in conditions if condition != without)
    return f"/screener?{urlencode({'where': where, 'order': order})}"
