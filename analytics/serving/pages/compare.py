"""Several symbols beside each other: total returns since a day, and how their daily returns correlate."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from stockstream.analytics.serving import parameters
from stockstream.analytics.serving.generations import Served
from stockstream.analytics.serving.pages.rendering import rows_of
from stockstream.analytics.serving.parameters import symbols_of
from stockstream.analytics.serving.problems import Problem

MAX_SYMBOLS = 12
CORRELATIONS = """
    WITH returns AS (
        SELECT symbol, date, ln(close / lag(close) OVER (PARTITION BY symbol ORDER BY date)) AS r
        FROM bars_adjusted WHERE symbol IN (SELECT unnest(string_split($symbols, chr(10)))) AND date >= $start
    )
    SELECT a.symbol AS first, b.symbol AS second, corr(a.r, b.r) AS correlation, count(*) AS days
    FROM returns AS a JOIN returns AS b ON b.date = a.date WHERE a.r IS NOT NULL AND b.r IS NOT NULL
    GROUP BY ALL
"""
FIGURES = """
    SELECT symbol, arg_min(close, date) AS first, arg_max(close, date) AS last, min(date) AS since,
        100 * (arg_max(close, date) / arg_min(close, date) - 1) AS change
    FROM bars_adjusted WHERE symbol IN (SELECT unnest(string_split($symbols, chr(10)))) AND date >= $start
    GROUP BY symbol ORDER BY change DESC
"""


def content(served: Served, request: Request) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        Problem: there is no such symbol (404), or too many are named (422).
    """
    query = parameters.parsed(parameters.Compare, request.query_params.multi_items())
    symbols = symbols_of(query.symbols or None, served.symbols)
    if len(symbols) > MAX_SYMBOLS:
        reason = f"symbols: there are {len(symbols)}: at most {MAX_SYMBOLS} can be compared"
        raise Problem(422, reason, parameter="symbols")
    [(last,)] = served.cursor.execute("SELECT max(date) FROM bars_adjusted").fetchall()
    start = query.start or (last and last.replace(year=last.year - 1, day=min(last.day, 28)))
    values = {"symbols": "\n".join(symbols), "start": start}
    rows = rows_of(served.cursor.execute(CORRELATIONS, values)) if symbols else []
    return {
        "symbols": symbols,
        "start": start,
        "figures": rows_of(served.cursor.execute(FIGURES, values)) if symbols else [],
        "correlations": {(row["first"], row["second"]): row for row in rows},
        "generation": served.generation,
    }
