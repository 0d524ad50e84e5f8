"""Random real layouts, written and read back: no cell is lost in silence, and few layouts are refused."""

from __future__ import annotations

import csv
import io
import math
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stockstream.pipeline.errors import UsageError
from tests.pipeline.test_files_layouts import read

MAX_REFUSED = 0.05
DATES = ("%Y-%m-%d", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%b-%Y", "%b %d, %Y", "%d/%m/%y", "%Y/%m/%d",
         "%Y-%m-%d 00:00:00", "%A, %B %d, %Y", "epoch")  # fmt: skip
NAMES = {
    "symbol": ("symbol", "Ticker", "<TICKER>", "Code"),
    "date": ("date", "Date", "<DTYYYYMMDD>", "timestamp", "Trade Date"),
    "close": ("close", "Close", "<CLOSE>", "Close/Last", "c", "Last"),
    "volume": ("volume", "Vol.", "<VOL>", "v"),
    "other": ("Change %", "Trades", "Remark"),
}
JUNK = ("soon", "12:30:00", "1.2.3", "?", "#REF!", "1,2,3", "--")
outcomes = {"read": 0, "refused": 0}


@dataclass(frozen=True)
class Written:
    """How one file is written."""

    delimiter: str
    decimal: str
    grouping: str
    date_format: str
    encoding: str
    quoting: int
    newline: str
    names: dict[str, str]
    order: list[str]
    title: bool
    currency: str
    dirty: bool


def number(value: float, digits: int, style: Written, currency: str = "") -> str:
    text = f"{value:,.{digits}f}".replace(",", "_").replace(".", style.decimal).replace("_", style.grouping)
    return currency + text


def day_text(day: date, style: Written) -> str:
    if style.date_format == "epoch":
        return str((day - date(1970, 1, 1)).days * 86400)
    return day.strftime(style.date_format)


@st.composite
def layouts(draw: st.DrawFn) -> Written:
    delimiter = draw(st.sampled_from(",;\t|"))
    decimal = draw(st.sampled_from(".,"))
    grouping = draw(st.sampled_from(["", "", "," if decimal == "." else ".", " ", "'"]))
    names = {key: draw(st.sampled_from(values)) for key, values in NAMES.items()}
    needs_quotes = (delimiter == "," and "," in decimal + grouping) or delimiter == ","
    return Written(
        delimiter,
        decimal,
        grouping,
        draw(st.sampled_from(DATES)),
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])) if needs_quotes else csv.QUOTE_MINIMAL,
        draw(st.sampled_from(["\n", "\r\n"])),
        names,
        draw(st.permutations(list(names))),
        draw(st.booleans()),
        draw(st.sampled_from(["", "", "$"])),
        draw(st.booleans()),
    )


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(style=layouts(), seed=st.integers(0, 10**6), data=st.data())
def write_and_read(style: Written, seed: int, data: st.DataObject) -> None:
    days = [date(2021, 1, 4) + timedelta(days=7 * week + week % 5) for week in range(24)]
    bars = [
        (symbol, day, round(1 + 2000 * abs(math.sin(seed + 7 * at + place)), 2), 997 * (seed % 1000 + at) + place)
        for place, symbol in enumerate(("ABC", "BRK.B"))
        for at, day in enumerate(days)
    ]
    rows: list[dict[str, str]] = [
        {
            "symbol": symbol,
            "date": day_text(day, style),
            "close": number(close, 2, style, style.currency),
            "volume": number(volume, 0, style),
            "other": "Société",
        }
        for symbol, day, close, volume in bars
    ]
    junk: dict[int, tuple[str, str]] = {}
    if style.dirty:
        for at in data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=3, unique=True)):
            junk[at] = (data.draw(st.sampled_from(["date", "close", "volume"])), data.draw(st.sampled_from(JUNK)))
            rows[at][junk[at][0]] = junk[at][1]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=style.delimiter, quoting=style.quoting, lineterminator=style.newline)  # type: ignore[arg-type]
    if style.title:
        text.write(f"Prices of two companies{style.newline}{style.newline}")
    writer.writerow([style.names[key] for key in style.order])
    writer.writerows([[row[key] for key in style.order] for row in rows])
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = read(Path(folder), {"x.csv": text.getvalue().encode(style.encoding)}, select="*")
        except UsageError:
            outcomes["refused"] += 1
            return
    outcomes["read"] += 1
    assert_nothing_is_lost(bars, junk, result.rows, result.cells, 2 * style.title + 2)


def assert_nothing_is_lost(
    bars: list[Any], junk: dict[int, tuple[str, str]], rows: list[Any], cells: list[Any], first_line: int
) -> None:
    by_line = {row[-1]: row for row in rows}
    unread = {(line, column): text for column, text, line in cells}
    for at, (symbol, day, close, volume) in enumerate(bars):
        line = at + first_line
        column, text = junk.get(at, (None, ""))
        if column:
            assert unread.pop((line, column)) == text
        if column == "date":
            continue
        row = by_line.pop(line)
        assert (row[0], row[1]) == (symbol, day)
        assert row[5] == (None if column == "close" else close)
        assert row[6] == (None if column == "volume" else volume)
    assert not unread
    assert not by_line


@pytest.mark.large
def test_random_layouts_are_read_back_or_every_loss_is_counted() -> None:
    write_and_read()
    total = sum(outcomes.values())
    print(f"{total} layouts, {outcomes['refused']} refused")
    assert outcomes["refused"] <= MAX_REFUSED * total, outcomes
