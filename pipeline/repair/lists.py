"""The lists of companies (`symbols/`) and the answers of vendors about companies (`raw-metadata/`)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date

from duckdb import DuckDBPyConnection

from stockstream.pipeline.lake import RAW_METADATA, Lake, no_files
from stockstream.pipeline.repair.model import Finding, Kind
from stockstream.pipeline.repair.reading import declared, local_files, whole_file
from stockstream.sql.loader import load
from stockstream.sql.session import explained, run_date

SYMBOLS = "symbols/"
HEADER = ["symbol", "name", "sector", "market_cap"]
_LIST = re.compile(rf"{SYMBOLS}\d{{4}}-\d\d-\d\d-symbols\.csv", re.ASCII)
_DATES = re.compile(rf"{RAW_METADATA}\d{{4}}-\d\d-\d\d-listing-dates\.parquet", re.ASCII)
_ANSWERS = re.compile(rf"{RAW_METADATA}\d{{4}}-\d\d-\d\d-polygon-[a-z]+(-part-\d+)?\.parquet", re.ASCII)


LARGEST_LOSS = 0.1
"""Share of the companies of a day, as they were merged into the table metadata, that its list may lack."""


def companies_per_day(lake: Lake) -> dict[date, int]:
    """Return the number of companies that the lists of a lake had when they were merged into the table metadata.

    Raises:
        LakeError: the table cannot be read.
    """
    days = [day for key in lake.store.list(SYMBOLS) if _LIST.fullmatch(key) and (day := run_date(key))]
    if not days:
        return {}
    with explained(lake.uri), lake.session(no_files, "views/metadata") as con:
        listed = ", ".join(f"(DATE '{day}')" for day in days)
        return dict(
            con.execute(
                f"SELECT d.day, count(DISTINCT m.symbol) FROM (VALUES {listed}) AS d (day) JOIN metadata AS m "
                "ON m.valid_from <= d.day AND (m.valid_to > d.day OR m.valid_to IS NULL) "
                "WHERE m.source IN ('directory', 'polygon') GROUP BY d.day"
            ).fetchall()
        )


def verify_lists(lake: Lake, companies: Mapping[date, int]) -> Iterator[tuple[str, Finding | None]]:
    """Yield the key of each list of companies, and the finding about it.

    `companies` is the number of companies per day as the lists were merged, for the days that are known.
    """
    problems: dict[str, str | None] = {}
    unterminated = set()
    for key in (key for key in lake.store.list(SYMBOLS) if _LIST.fullmatch(key)):
        if (stored := lake.store.get(key)) is not None:
            day = run_date(key)
            problems[key] = _problem(stored.data) or _cut(stored.data, companies.get(day, 0) if day else 0)
            unterminated |= set() if stored.data.endswith(b"\n") else {key}
    for key, problem in problems.items():
        # A list of another program may end without a line break, but then all of its lists do.
        if problem is None and key in unterminated and 1 < 2 * len(unterminated) <= len(problems):
            problem = "its last line is cut"
        action = "set it aside, and restore who was listed from the table metadata, if that has the day"
        yield key, Finding(key, problem, action, Kind.LIST) if problem else None


def _cut(data: bytes, companies: int) -> str | None:
    """Return that a list has fewer companies than it had when it was merged."""
    number = data.count(b"\n") + (not data.endswith(b"\n")) - 1
    is_cut = number < (companies if not data.endswith(b"\n") else (1 - LARGEST_LOSS) * companies)
    return f"it has {number} of {companies} companies" if is_cut else None


def _problem(data: bytes) -> str | None:
    """Return why the text of a list cannot be read."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return f"byte {error.start} is not UTF-8"
    if not text.strip():
        return "it is empty"
    if "\0" in text:
        return "it has zero bytes"
    try:
        header, *rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        return f"it is no CSV: {error}"
    if header != HEADER:
        return f"its header is not {','.join(HEADER)}"
    for number, row in enumerate(rows, start=2):
        if row and (len(row) != len(HEADER) or not row[0].strip()):
            return f"its line {number} is not a company"
    return None if rows else "it has no company"


def verify_metadata(lake: Lake, con: DuckDBPyConnection) -> Iterator[tuple[str, Finding | None]]:
    """Yield the key of each file of `raw-metadata/`, and the finding about it."""
    con.execute(load("steps/metadata_answers").text)
    schemas = {
        _DATES: ({"symbol": "VARCHAR", "listing_date": "DATE"}, "set it aside; the next run stores today's dates"),
        _ANSWERS: (declared(con, "answers"), "set it aside; `stockstream metadata --source polygon` fetches it again"),
    }
    for key in lake.store.list(RAW_METADATA):
        for pattern, (columns, action) in schemas.items():
            if pattern.fullmatch(key):
                with local_files(lake, [key]) as paths:
                    problem = whole_file(con, paths[key], columns)
                yield key, Finding(key, problem, action, Kind.METADATA) if problem else None
