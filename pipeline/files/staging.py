"""Text files become Parquet files of text: one per layout, with the file and line of every row."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stockstream.pipeline.files.columns import PERIODS, plain
from stockstream.pipeline.files.inputs import Input, UnreadableFile, fallback
from stockstream.pipeline.files.layouts import HEAD, Layout, recognise
from stockstream.sql.session import quoted as literal

ROWS = 100_000
"""Rows that are held in memory before they are written."""
_DAMAGE = (OSError, EOFError, zlib.error, UnicodeError, csv.Error)
_MONTH_FIRST = "close/last"  # Nasdaq.com's name; its dates are M/D/Y


@dataclass(frozen=True)
class Unread:
    """A line that is no row of its file's table."""

    file: int
    line: int
    text: str
    reason: str


@dataclass
class Group:
    """Files of one layout, as a relation with the columns `file`, `line` and some of ours."""

    relation: str
    types: dict[str, str]
    """DuckDB's type per column of ours."""
    files: list[int] = field(default_factory=list)
    is_wide: bool = False
    date_hint: str | None = None
    """The order of day and month that the vendor is known for."""
    names: dict[str, str] = field(default_factory=dict)
    """The file's name per column of ours."""


@dataclass
class Head:
    """What is known of a file before it is read."""

    file: int
    source: Input
    layout: Layout
    skip: int


def read_heads(sources: Sequence[Input], columns: Mapping[str, str]) -> tuple[list[Head], dict[int, str]]:
    """Return the layout of every file, and the reason per file that has none."""
    heads, bad = [], {}
    for number, source in enumerate(sources):
        try:
            with source.open() as stream:
                layout, skip = recognise(list(islice(stream, HEAD)), columns)
            heads.append(Head(number, source, layout, skip))
        except UnreadableFile as error:
            bad[number] = str(error)
        except _DAMAGE as error:
            bad[number] = f"cannot be read: {error}"
    return heads, bad


class Staging:
    """Writes the rows of files to Parquet files in a folder, and collects what is no row."""

    def __init__(self, folder: Path, max_lines: int | None = None) -> None:
        self.unread: list[Unread] = []
        self.not_utf8: list[str] = []
        self._folder = folder
        self._max_lines = max_lines

    def stage(self, heads: Iterable[Head]) -> list[Group]:
        """Read the files, layout by layout."""
        layouts: dict[Layout, list[Head]] = {}
        for head in heads:
            layouts.setdefault(head.layout, []).append(head)
        return [self._stage(layout, files) for layout, files in layouts.items()]

    def _stage(self, layout: Layout, heads: Sequence[Head]) -> Group:
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{len(list(self._folder.iterdir()))}.parquet"
        ours = list(dict(layout.blocks[0][1]) if layout.blocks else dict(layout.places))
        if layout.blocks:
            ours = ["symbol", "date", *dict.fromkeys(name for _, block in layout.blocks for name, _ in block)]
        schema = pa.schema([("file", pa.int32()), ("line", pa.int64()), *((name, pa.string()) for name in ours)])
        buffer = _Buffer(layout, schema)
        with pq.ParquetWriter(path, schema, compression="lz4") as writer:
            for head in heads:
                before = fallback.count
                for line, row in self._rows(head):
                    if buffer.add(head.file, line, row) >= ROWS:
                        writer.write_table(buffer.flush())
                if fallback.count > before:
                    self.not_utf8.append(head.source.name)
            writer.write_table(buffer.flush())
        return Group(
            f"read_parquet({literal(str(path))})",
            dict.fromkeys(ours, "VARCHAR"),
            [head.file for head in heads],
            bool(layout.blocks),
            "MDY" if _MONTH_FIRST in (name.lower() for name in layout.names) else None,
            {name: layout.names[place] for name, place in layout.places if place < len(layout.names)},
        )

    def _rows(self, head: Head) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows of a file that have all of its columns, with their lines."""
        layout, width, line, before = head.layout, len(head.layout.names), head.skip, head.skip
        delimiter = layout.delimiter
        try:
            with head.source.open() as stream:
                for _ in islice(stream, head.skip):
                    pass
                reader = csv.reader(
                    islice(stream, self._max_lines), delimiter=delimiter, skipinitialspace=delimiter != "\t"
                )
                for row in reader:
                    before, line = line, reader.line_num + head.skip
                    if len(row) != width:
                        rows = self._ragged(head, before + 1, line, row)
                        if rows is None:
                            continue
                        row = rows
                    if row[0][:1] != "#":
                        yield line, row
        except (*_DAMAGE, UnreadableFile) as error:
            self.unread.append(Unread(head.file, line + 1, "", f"the file cannot be read from this line on: {error}"))

    def _ragged(self, head: Head, first: int, line: int, row: list[str]) -> list[str] | None:
        """Return the cells that belong to columns if the row can be used; note what cannot."""
        width = len(head.layout.names)
        extra = row[width:]
        if not any(cell.strip() for cell in row) or row[0].startswith("#"):
            return None
        text = head.layout.delimiter.join(row)[:200]
        if extra and not any(cell.strip() for cell in extra):
            return row[:width]
        lines = f"lines {first} to {line}: a quote is not closed; " if line > first else ""
        if extra and not any(character.isdigit() for cell in extra for character in cell):
            # A remark at the end of the line. A number could be a part of one that is cut by a delimiter.
            remark = head.layout.delimiter.join(extra)
            self.unread.append(Unread(head.file, line, remark, f"{lines}a cell beyond the {width} columns"))
            return row[:width]
        self.unread.append(Unread(head.file, line, text, f"{lines}{len(row)} cells in place of {width}"))
        return None


class _Buffer:
    """Rows of text that become columns."""

    def __init__(self, layout: Layout, schema: pa.Schema) -> None:
        self._layout = layout
        self._schema = schema
        self._files: list[int] = []
        self._lines: list[int] = []
        self._rows: list[list[str]] = []

    def add(self, file: int, line: int, row: list[str]) -> int:
        self._files.append(file)
        self._lines.append(line)
        self._rows.append(row)
        return len(self._rows)

    def flush(self) -> pa.Table:
        """Return the rows as a table, and forget them."""
        cells = list(zip(*self._rows, strict=True)) or [()] * len(self._layout.names)
        places = dict(self._layout.places)
        blocks = self._layout.blocks or ((None, tuple(places.items())),)
        parts = []
        for symbol, block in blocks:
            columns = {name: cells[place] for name, place in {**places, **dict(block)}.items()}
            columns["file"], columns["line"] = self._files, self._lines  # type: ignore[assignment]
            if symbol is not None:
                columns["symbol"] = (symbol,) * len(self._rows)
            empty = pa.nulls(len(self._rows), pa.string())
            parts.append(
                pa.table(
                    [
                        pa.array(columns[item.name], item.type) if item.name in columns else empty
                        for item in self._schema
                    ],
                    schema=self._schema,
                )
            )
        self._files, self._lines, self._rows = [], [], []
        return pa.concat_tables(parts)


def unused_columns(heads: Iterable[Head]) -> dict[str, int]:
    """Return the names of the columns that are not read, and the number of files that have them."""
    counts: dict[str, int] = {}
    for head in heads:
        for name in head.layout.unused:
            if plain(name) not in PERIODS:
                counts[name] = counts.get(name, 0) + 1
    return counts
