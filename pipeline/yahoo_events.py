"""What Yahoo's chart says about dividends and splits, and which of its values cannot be used."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

COLUMNS = ("open", "high", "low", "close", "volume")
"""The lists of quotes of a chart; columns of schema/raw.sql have the same names."""
NUMBERS = {"dividends": ("amount",), "splits": ("numerator", "denominator"), "capitalGains": ("amount",)}
"""The numbers of each kind of event of a chart."""
MAX_VOLUME = 2**63
"""Volumes are stored as 64-bit integers."""
Cell = dict[str, str | None]
"""A value that cannot be used: date, column_name, text and reason."""


@dataclass
class YahooEvents:
    """The dividends and splits of a chart by ex-date; one that is listed twice counts once."""

    dividends: dict[date, float] = field(default_factory=dict)
    splits: dict[date, float] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)

    @classmethod
    def of(cls, chart: Mapping[str, Any], timezone: ZoneInfo) -> YahooEvents:
        """Return the events of a chart; a dividend in another currency than the prices is left out and reported."""
        events = cls()
        currency = (chart.get("meta") or {}).get("currency")
        amounts: dict[date, set[float]] = {}
        for day, event in _listed(chart, "dividends", timezone):
            amount, other = finite_number(event.get("amount")), event.get("currency") or currency
            text = f"{event.get('amount')} {event.get('currency') or ''}".strip()
            if amount is None or amount < 0 or day is None:
                events.cells.append(_cell(day, "dividend", text, "no dividend that can be read"))
            elif currency and other != currency:
                events.cells.append(_cell(day, "dividend", text, f"not in {currency}, the currency of the prices"))
            else:
                amounts.setdefault(day, set()).add(amount)
        events.dividends = {day: math.fsum(values) for day, values in amounts.items()}
        ratios: dict[date, set[float]] = {}
        for day, event in _listed(chart, "splits", timezone):
            new, old = finite_number(event.get("numerator")), finite_number(event.get("denominator"))
            if new and old and new / old > 0 and day is not None:
                ratios.setdefault(day, set()).add(new / old)
            else:
                text = f"{event.get('numerator')}:{event.get('denominator')}"
                events.cells.append(_cell(day, "split_ratio", text, "no ratio that can be read"))
        events.splits = {day: math.prod(values) for day, values in ratios.items()}
        return events

    def unused(self, days: Any) -> list[Cell]:
        """Return the events that cannot be used, and those of days that are not among `days` (timestamps)."""
        present = {day.date() for day in days}
        cells = list(self.cells)
        for name, values in (("dividend", self.dividends), ("split_ratio", self.splits)):
            cells += [
                _cell(day, name, f"{value:g}", "the answer has no row of that day")
                for day, value in values.items()
                if day not in present
            ]
        return cells


def unread_prices(chart: Mapping[str, Any], timezone: ZoneInfo) -> list[Cell]:
    """Return the prices and volumes of a chart that are neither missing nor finite numbers."""
    stamps = chart.get("timestamp") or []
    indicators = chart.get("indicators") or {}
    lists = {name: (indicators.get("quote") or [{}])[0].get(name) for name in COLUMNS}
    lists["adjusted_close"] = (indicators.get("adjclose") or [{}])[0].get("adjclose")
    return [
        _cell(_day(stamp, timezone), name, str(value), "no number" if finite_number(value) is None else "too large")
        for name, values in lists.items()
        for stamp, value in zip(stamps, values or [], strict=False)
        if value is not None and number_of(name, value) is None
    ]


def readable_events(chart: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the events of a chart by kind without those whose date or numbers cannot be read.

    yfinance refuses a whole answer for one of them; `YahooEvents` reports them.
    """
    events: dict[str, dict[str, Any]] = {}
    for kind, names in NUMBERS.items():
        for key, event in _by_key(chart, kind).items():
            numbers = {name: finite_number(event.get(name)) for name in names}
            if None not in numbers.values() and _day(event.get("date"), ZoneInfo("UTC")):
                events.setdefault(kind, {})[key] = event | numbers
    return events


def _listed(chart: Mapping[str, Any], kind: str, timezone: ZoneInfo) -> Iterator[tuple[date | None, dict[str, Any]]]:
    for event in _by_key(chart, kind).values():
        yield _day(event.get("date"), timezone), event


def _by_key(chart: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the events of a kind; what is there in place of events, or of one, is the number of a dividend."""
    events = chart.get("events") or {}
    listed = (events if isinstance(events, dict) else {"dividends": events}).get(kind) or {}
    listed = listed if isinstance(listed, dict) else {"": listed}
    return {key: event if isinstance(event, dict) else {NUMBERS[kind][0]: event} for key, event in listed.items()}


def _day(stamp: Any, timezone: ZoneInfo) -> date | None:
    try:
        return datetime.fromtimestamp(stamp, timezone).date() if isinstance(stamp, int | float) else None
    except (OverflowError, OSError, ValueError):  # beyond the years of a date
        return None


def number_of(name: str, value: Any) -> float | None:
    """Return the value of a column as a number, None if it is none that the column can have."""
    number = finite_number(value)
    return None if name == "volume" and number is not None and abs(number) >= MAX_VOLUME else number


def finite_number(value: Any) -> float | None:
    """Return a value as a finite number, None if it is none; text counts if all of it is one."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _cell(day: date | None, column: str, text: str, reason: str) -> Cell:
    return {"date": str(day) if day else None, "column_name": column, "text": text, "reason": reason}
