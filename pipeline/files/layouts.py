"""The layout of a text file: delimiter, header and columns, recognised from its first lines."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stockstream.pipeline.files import columns as names_of
from stockstream.pipeline.files import dates
from stockstream.pipeline.files.inputs import UnreadableFile

HEAD = 60
"""Lines of each file that are looked at."""
DELIMITERS = (",", ";", "\t", "|")
MAX_PREAMBLE = 20
"""Lines with a title or remarks before the header."""
Rows = list[tuple[int, list[str]]]
"""Rows with the number of their last line."""


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are read; files of one layout are converted together."""

    delimiter: str
    names: tuple[str, ...]
    """The header; the columns' numbers if there is none."""
    places: tuple[tuple[str, int], ...]
    """Position of each of our columns, by name."""
    blocks: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    """Of a wide table: per symbol the positions of its columns; `places` has the date only."""

    @property
    def unused(self) -> list[str]:
        """Names of the columns that are not read."""
        used = {place for _, place in self.places} | {p for _, block in self.blocks for _, p in block}
        unused = [name for place, name in enumerate(self.names) if place not in used]
        return [name for name in unused if name.strip() and names_of.plain(name) not in names_of.PERIODS]


def recognise(lines: Sequence[str], columns: Mapping[str, str]) -> tuple[Layout, int]:
    """Return the layout, and the number of lines before the first row of data.

    Raises:
        UnreadableFile: no layout fits.
    """
    if not any(line.strip() for line in lines):
        raise UnreadableFile("is empty")
    delimiter = max(DELIMITERS, key=lambda d: _fit(_parsed(lines, d), columns))
    rows = _parsed(lines, delimiter)
    if wide := _wide(rows, delimiter):
        return wide
    header = max(range(min(len(rows), MAX_PREAMBLE)), key=lambda at: (_names_in(rows[at][1], columns), -at))
    if _names_in(rows[header][1], columns) < 2:
        return _without_header(rows, delimiter, columns)
    line, names = rows[header]
    places = names_of.places_by_name(names, columns)
    while len(names) > 1 and not names[-1].strip() and len(names) - 1 not in places.values():
        names = names[:-1]  # a delimiter at the end of the line
    return Layout(delimiter, tuple(name.strip() for name in names), tuple(places.items())), line


def _parsed(lines: Sequence[str], delimiter: str) -> Rows:
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t")
    rows: Rows = []
    try:
        for row in reader:
            if row and not row[0].startswith("#") and any(cell.strip() for cell in row):
                rows.append((reader.line_num, row))
    except csv.Error:
        pass
    return rows or [(0, [""])]


def _fit(rows: Rows, columns: Mapping[str, str]) -> tuple[float, ...]:
    """Return how well a delimiter fits: the names in the header, then dates and numbers, then rows of one width."""
    names = max(_names_in(row, columns) for _, row in rows[:MAX_PREAMBLE])
    width, count = Counter(len(row) for _, row in rows).most_common(1)[0]
    values = sum(dates.looks_like_a_date(cell) or _is_number(cell) for _, row in rows for cell in row)
    cells = sum(len(row) for _, row in rows)
    return names, width > 1, round(values / cells, 1), count / len(rows), width


def _names_in(row: Sequence[str], columns: Mapping[str, str]) -> int:
    """Return how many cells are names of columns; 0 for a row of data."""
    if any(dates.looks_like_a_date(cell) for cell in row):
        return 0
    mapped = set(columns.values()) - {""}
    return len(
        {names_of.field(c) or c.strip() for c in row if c.strip() and (names_of.field(c) or c.strip() in mapped)}
    )


def _is_value(cell: str) -> bool:
    return _is_number(cell) or dates.looks_like_a_date(cell)


def _is_field(cell: str) -> bool:
    return names_of.field(cell) is not None


def _is_number(cell: str) -> bool:
    text = cell.strip().replace(",", "").replace(".", "").lstrip("-+$€£")
    return text.isascii() and text.isdigit()


def _without_header(rows: Rows, delimiter: str, columns: Mapping[str, str]) -> tuple[Layout, int]:
    width, _ = Counter(len(row) for _, row in rows).most_common(1)[0]
    sample = [row for _, row in rows if len(row) == width]
    is_date = [sum(dates.looks_like_a_date(row[p]) for row in sample) * 2 > len(sample) for p in range(width)]
    if len(rows) > 1 and len(rows[0][1]) == width > 1 and not any(map(_is_value, rows[0][1])):
        names_of.places_by_name(rows[0][1], columns)  # names in other words: refuse with the option that helps
    if width < 2 or not any(is_date):
        first = " ".join(delimiter.join(rows[0][1]).split())[:80]
        raise UnreadableFile(f"has no header and no rows of bars; it begins with {first!r}")
    names = tuple(str(number) for number in range(1, width + 1))
    mapped = {ours: int(name) - 1 for ours, name in columns.items() if name in names}
    places = mapped if {"date", "close"} <= set(mapped) else names_of.places_by_position(sample, is_date)
    first_line = next(line for line, row in rows if len(row) == width and any(map(dates.looks_like_a_date, row)))
    return Layout(delimiter, names, tuple(places.items())), first_line - 1


def _wide(rows: Rows, delimiter: str) -> tuple[Layout, int] | None:
    """Return the layout of a table with two rows of names above its columns: fields and symbols, in either order.

    `pandas.DataFrame.to_csv` writes yfinance's download in this way.
    """
    if len(rows) < 3 or not len(rows[0][1]) == len(rows[1][1]) > 1:
        return None
    top, below = rows[0][1][1:], rows[1][1][1:]
    # Symbols such as C and V can be names of columns, too.
    fields, symbols = sorted((top, below), key=lambda row: sum(map(len, filter(_is_field, row))), reverse=True)
    if "close" not in map(names_of.field, fields) or any(map(dates.looks_like_a_date, [*fields, *symbols])):
        return None
    if not all(cell.strip() and not _is_number(cell) for cell in symbols):
        return None
    third = rows[2][1]
    has_third = bool(third[0].strip()) and not any(cell.strip() for cell in third[1:])
    if not has_third and not dates.looks_like_a_date(third[0]):
        return None
    blocks: dict[str, dict[str, int]] = {}
    for place, (symbol, name) in enumerate(zip(symbols, fields, strict=True), start=1):
        if ours := names_of.field(name):
            blocks.setdefault(symbol.strip(), {}).setdefault(ours, place)
    if not all("close" in block for block in blocks.values()):
        return None
    names = (third[0] if has_third else "date", *(f"{s} {f}" for s, f in zip(symbols, fields, strict=True)))
    positions = tuple((symbol, tuple(block.items())) for symbol, block in blocks.items())
    return Layout(delimiter, names, (("date", 0),), positions), rows[2 if has_third else 1][0]
