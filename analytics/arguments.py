"""Arguments of the Python interface: what each function accepts, and errors that start with the argument's name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from stockstream.pipeline.symbols import checked, split_symbols
from stockstream.sql.errors import ArgumentError
from stockstream.sql.session import normalise

DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def lake_of(lake: object = None) -> str:
    """Return the URI of a lake: of a text or a path, or that of the settings for None.

    Raises:
        ArgumentError: it is something else, such as a DataFrame, or an empty text.
        UsageError: no lake can have this name.
    """
    if lake is None:
        from stockstream.pipeline.configuration import (
            settings,
        )  # with pydantic, which a lake that is named does not need

        return normalise(settings().lake_uri)
    if isinstance(lake, str | Path) and str(lake).strip():
        return normalise(str(lake))
    raise ArgumentError(f"lake: {_described(lake)} is no lake: write a folder or s3://bucket/prefix")


def day_of(name: str, day: object) -> date:
    """Return a day that is a date or a text YYYY-MM-DD; `name` is the argument's.

    Raises:
        ArgumentError: it is something else.
    """
    if isinstance(day, datetime):
        return day.date()
    if isinstance(day, date):
        return day
    try:
        if isinstance(day, str) and DAY.fullmatch(day):  # fromisoformat accepts 20260102 and 2026-W01-5, too
            return date.fromisoformat(day)
    except ValueError:
        pass
    if isinstance(day, str):
        raise ArgumentError(f"{name} {day}: write a day as YYYY-MM-DD")
    raise ArgumentError(f"{name}: {_described(day)} is no day: write YYYY-MM-DD, or a datetime.date")


def range_of(start: object, end: object) -> tuple[date | None, date | None]:
    """Return the first and the last day, of which each may be None.

    Raises:
        ArgumentError: one is not a day, or the last is before the first.
    """
    first = None if start is None else day_of("start", start)
    last = None if end is None else day_of("end", end)
    if first and last and last < first:
        raise ArgumentError(f"the range ends ({last}) before it starts ({first})")
    return first, last


def symbols_of(symbols: object, name: str = "symbols") -> tuple[str, ...]:
    """Return names of symbols, each once: a sequence of texts, or one text as after `--symbols` (`BHP` or `BHP,CBA`).

    Raises:
        ArgumentError: it is something else.
        UsageError: a name cannot be a symbol.
    """
    if isinstance(symbols, str):
        return split_symbols(symbols, name)
    return tuple(dict.fromkeys(checked(text, name) for text in texts_of(name, symbols)))


def texts_of(name: str, texts: object) -> Sequence[str]:
    """Return texts as a sequence; one text is a sequence of one.

    Raises:
        ArgumentError: it is something else.
    """
    if isinstance(texts, str):
        return [texts]
    items: list[Any] = list(texts) if isinstance(texts, Iterable) and not isinstance(texts, bytes | type) else [texts]
    if wrong := [item for item in items if not isinstance(item, str)]:
        raise ArgumentError(f"{name}: {_described(wrong[0])} is no text: write a list of texts")
    return items


def paths_of(name: str, paths: object) -> Sequence[Path]:
    """Return texts and paths as a sequence of paths; one of them is a sequence of one.

    Raises:
        ArgumentError: it is something else.
    """
    items: list[Any] = [paths] if isinstance(paths, str | Path) or not isinstance(paths, Iterable) else list(paths)
    if wrong := [item for item in items if not isinstance(item, str | Path)]:
        raise ArgumentError(f"{name}: {_described(wrong[0])} is no path: write a list of folders")
    return [Path(item) for item in items]


def text_of(name: str, text: object) -> str:
    """Return a text that is not empty.

    Raises:
        ArgumentError: it is something else.
    """
    if isinstance(text, str) and text.strip():
        return text
    raise ArgumentError(f"{name}: {_described(text)} is no name: write a text")


def _described(value: object) -> str:
    """Return a value as an error shows it: short ones as Python writes them, others by their type."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    is_short = value is None or isinstance(value, str | int | float | bytes | date)
    return repr(value) if is_short else f"a {type(value).__name__}"
