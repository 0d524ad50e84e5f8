"""How numbers are written on pages: those of the reports of backtests, and those of the dashboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def number(value: float | None, digits: int = 0) -> str:
    """Format a number as 1,234.50, with a true minus sign and no negative zero; None is a dash."""
    return "–" if value is None else f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def percent(value: float | None, digits: int = 2) -> str:
    """Format a fraction in per cent: 0.1 is 10.00%; None is a dash."""
    return "–" if value is None else f"{number(100 * value, digits)}%"


FORMATS: dict[str, Callable[[Any], str]] = {
    "number": number,
    "percent": percent,
    "money": lambda value: number(value, 2),
    "ratio": lambda value: number(value, 2),
    "count": number,
    "days": lambda value: number(value, 1),
    "shares": lambda value: number(value, 0 if value == round(value) else 4),
    "price": lambda value: number(value, 2 if abs(value) >= 1 else 4),
}


def figure_text(value: float | None, kind: str) -> str:
    """Format a figure of a kind of `stats.Figure`."""
    return FORMATS[kind](value)
