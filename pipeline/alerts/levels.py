"""The levels of prices that the rule `level` watches: a file of one's own, `levels.csv` in the lake or elsewhere."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import LEVELS, Lake
from stockstream.sql.errors import did_you_mean

REQUIRED, OPTIONAL = ("symbol", "level"), ("note",)


@dataclass(frozen=True)
class Level:
    """A price that an alert is to report when it is crossed."""

    symbol: str
    level: float
    note: str = ""


@dataclass(frozen=True)
class Levels:
    """The levels of a file, and what is wrong with the lines that are not used, each with file and line."""

    levels: tuple[Level, ...] = ()
    problems: tuple[str, ...] = ()


def read_levels(lake: Lake, path: Path | None, symbols: Collection[str] = ()) -> Levels:
    """Return the levels of a file; None: of `levels.csv` in the lake, if there is one.

    `symbols` are those that there can be; empty: any.

    Raises:
        UsageError: the file cannot be read, or its first line does not name the columns.
        LakeError: the lake cannot be read.
    """
    if path is None:
        stored = lake.store.get(LEVELS)
        return parse_levels(stored.data, lake.store.uri(LEVELS), symbols) if stored else Levels()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the levels in {path}: {error.strerror}") from None
    return parse_levels(data, str(path), symbols)


def parse_levels(data: bytes, name: str, symbols: Collection[str] = ()) -> Levels:
    """Return the levels in a CSV text with the columns symbol, level and perhaps note; `name` is for messages.

    Raises:
        UsageError: it is not UTF-8, or its first line does not name the columns.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{name}, line {line}: it is not UTF-8: save the file as UTF-8") from None
    rows = csv.reader(text.splitlines())
    columns = [column.strip().lower() for column in next(rows, [])]
    for column in columns:
        if column not in (*REQUIRED, *OPTIONAL):
            hint = did_you_mean(column, (*REQUIRED, *OPTIONAL))
            raise UsageError(
                f"{name}, line 1: no column is called {column!r}{hint}: write symbol,level or symbol,level,note"
            )
    if not set(REQUIRED) <= set(columns):
        raise UsageError(f"{name}, line 1: it must name the columns: symbol,level or symbol,level,note")
    levels: list[Level] = []
    problems: list[str] = []
    for row in rows:
        if any(cell.strip() for cell in row):
            try:
                levels.append(_level(columns, row, symbols))
            except ValueError as error:
                problems.append(f"{name}, line {rows.line_num}: {error}")
    return Levels(tuple(levels), tuple(problems))


def _level(columns: list[str], row: list[str], symbols: Collection[str]) -> Level:
    """Return the level of a line.

    Raises:
        ValueError: the line cannot be used.
    """
    if len(row) > len(columns) or len(row) < columns.index("level") + 1:
        raise ValueError(f"it has {len(row)} cells, and the first line has {len(columns)}")
    cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
    symbol = cells.get("symbol", "")
    try:
        level = float(cells["level"])
    except ValueError:
        level = math.nan
    if not 0 < level < math.inf:
        raise ValueError(f"level is {cells['level']!r}: write a price, such as 41.50")
    if not symbol:
        raise ValueError("it has no symbol")
    if symbols and symbol not in symbols:
        raise ValueError(f"there is no symbol {symbol}{did_you_mean(symbol, symbols)}")
    return Level(symbol, level, cells.get("note", ""))
