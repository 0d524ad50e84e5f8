"""The market: breadth, movers, volume leaders, new highs and lows, signals of the day, and what is missing."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from stockstream.analytics.serving.generations import Served
from stockstream.analytics.serving.pages.rendering import rows_of

SHOWN = 10
"""Rows of a list; the screener has all of them."""
COLUMNS = "symbol, name, date, close, change_percent, volume, value, volume_ratio"
LISTS = {
    "gainers": ("Gainers", "change_percent > 0", "change_percent DESC", "change_percent>0"),
    "losers": ("Losers", "change_percent < 0", "change_percent", "change_percent<0"),
    "leaders": ("Most traded", "value > 0", "value DESC", "value>0"),
    "highs": ("New highs of a year", "is_new_high", "change_percent DESC", "is_new_high"),
    "lows": ("New lows of a year", "is_new_low", "change_percent", "is_new_low"),
}
"""Per list its title, condition and order in SQL, and its condition in the screener."""


def content(served: Served, request: Request) -> dict[str, Any]:
    """Return what the page shows."""
    cursor = served.cursor
    [(day,)] = cursor.execute("SELECT max(date) FROM screen").fetchall()
    [(rising, falling, unchanged, missing, highs, lows)] = cursor.execute(
        "SELECT count(*) FILTER (WHERE change_percent > 0 AND date = $day), "
        "count(*) FILTER (WHERE change_percent < 0 AND date = $day), "
        "count(*) FILTER (WHERE change_percent = 0 AND date = $day), count(*) FILTER (WHERE date < $day), "
        "count(*) FILTER (WHERE is_new_high AND date = $day), count(*) FILTER (WHERE is_new_low AND date = $day) "
        "FROM screen",
        {"day": day},
    ).fetchall()
    lists = {
        name: (title, link, _list(served, condition, order, day))
        for name, (title, condition, order, link) in LISTS.items()
    }
    signals = cursor.execute(
        "SELECT signal, count(*) AS symbols, list(symbol ORDER BY symbol)[:8] AS examples FROM signals "
        "WHERE date = $day GROUP BY signal ORDER BY signal",
        {"day": day},
    )
    per_signal = rows_of(signals)
    stale = cursor.execute(
        "SELECT symbol, name, date FROM screen WHERE date < $day ORDER BY date DESC, symbol LIMIT $shown",
        {"day": day, "shown": SHOWN},
    )
    return {
        "day": day,
        "generation": served.generation,
        "breadth": {"rising": rising, "falling": falling, "unchanged": unchanged, "highs": highs, "lows": lows},
        "missing": missing,
        "lists": lists,
        "signals": per_signal,
        "stale": rows_of(stale),
        "pending": cursor.execute("SELECT count(*) FROM pending").fetchall()[0][0],
    }


def _list(served: Served, condition: str, order: str, day: Any) -> list[Any]:
    text = f"SELECT {COLUMNS} FROM screen WHERE date = $day AND {condition} ORDER BY {order}, symbol LIMIT {SHOWN}"
    return rows_of(served.cursor.execute(text, {"day": day}))
