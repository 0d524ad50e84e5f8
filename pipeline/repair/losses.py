"""Describe what a repair could not restore: by symbol and day, with the command that fetches it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.repair.model import Loss
from stockstream.pipeline.repair.rescue import Rescue, Rows
from stockstream.sql.session import run_date

MAX_DAYS = 20
"""Days of a symbol that are listed one by one; of more days only the first and the last."""
MAX_SYMBOLS = 50
"""Symbols in a command; for more, it fetches all."""
DAYS_BEFORE = timedelta(days=30)
"""Of a batch file whose contents are not known: a daily run stores the newest sessions."""


def bars_lost(lake: Lake, rescue: Rescue) -> Iterator[Loss]:
    """Yield the bars that no file has any more, and those that only a damaged file had."""
    yield from _of_symbols(lake, rescue.lost, "bars")
    yield from _of_symbols(lake, rescue.doubtful, "bars that may be wrong, as only a damaged file had them")
    for key, (number, first, last) in rescue.unknown.items():
        day = run_date(key)
        first, last = first or (day - DAYS_BEFORE if day else None), last or day
        listed = [first, last] if first and last else []
        batch = key.rsplit("/", 1)[-1].removesuffix(".parquet")
        command = _backfill(lake, first, last, []) if first and last else f"stockstream run --lake {_quoted(lake.uri)}"
        yield _loss(key, f"unknown rows of {batch}", None, listed, number, command)


def object_lost(key: str, what: str, command: str | None = None, rows: int | None = None) -> Loss:
    """Return the loss of an object that has no bars."""
    day = run_date(key)
    return _loss(key, what, None, [day] if day else [], rows, command)


def _of_symbols(lake: Lake, lost: Sequence[Rows], what: str) -> Iterator[Loss]:
    for key in dict.fromkeys(rows.object for rows in lost):
        symbols = [rows for rows in lost if rows.object == key]
        days = [day for rows in symbols for day in rows.days]
        command = _backfill(lake, min(days), max(days), [rows.symbol for rows in symbols])
        for rows in symbols:
            listed = rows.days if len(rows.days) <= MAX_DAYS else [rows.days[0], rows.days[-1]]
            yield _loss(key, what, rows.symbol, listed, len(rows.days), command)


def _loss(key: str, what: str, symbol: str | None, days: Sequence[date], rows: int | None, command: str | None) -> Loss:
    return {
        "object": key,
        "what": what,
        "symbol": symbol,
        "days": [str(day) for day in days],
        "rows": rows,
        "command": command,
    }


def _backfill(lake: Lake, first: date, last: date, symbols: Sequence[str]) -> str:
    names = ",".join(f'"{symbol}"' if "," in symbol else symbol for symbol in symbols)
    chosen = f" --symbols {_quoted(names)}" if 0 < len(symbols) <= MAX_SYMBOLS else ""
    return f"stockstream backfill --start {first} --end {last}{chosen} --lake {_quoted(lake.uri)}"


def _quoted(text: str) -> str:
    return shlex.quote(text)
