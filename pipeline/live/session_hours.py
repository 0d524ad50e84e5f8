"""The hours of a session from the lake's calendar, for functions that need no calendar of their own."""

from __future__ import annotations

from datetime import UTC, date
from functools import cache

from stockstream.pipeline.lake import Lake, no_files


def hours_of(lake: Lake, day: date) -> tuple[int, int] | None:
    """Return opening and close of a session in milliseconds since 1970; None if the lake's calendar has none that day.

    Raises:
        LakeError: the calendar cannot be read.
    """
    return _hours(lake.uri, day)


@cache
def _hours(uri: str, day: date) -> tuple[int, int] | None:
    with Lake(uri).session(no_files, "views/sessions") as con:
        row = con.execute("SELECT open_utc, close_utc FROM sessions WHERE date = ?", [day]).fetchone()
    if row is None:
        return None
    opens, closes = (round(1000 * moment.replace(tzinfo=UTC).timestamp()) for moment in row)
    return opens, closes
