"""Interpret lake URIs, and the dates in the names of batch files."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path

from stockstream.sql.errors import UsageError
from stockstream.sql.text import printable


def normalise(lake: str) -> str:
    """Return a lake's URI in the form that the views use: without a slash at the end, with `~` expanded.

    Raises:
        UsageError: it is neither a folder nor s3://bucket/prefix, or has a name that DuckDB reads as a pattern.
    """
    if not isinstance(lake, str):
        raise UsageError(f"lake: {type(lake).__name__} is no lake: write the text of a folder or of s3://bucket/prefix")
    if printable(lake) != lake:
        raise UsageError(f"{printable(lake)} cannot be a lake: its name has a control character")
    if any(character in lake for character in "*?["):  # DuckDB cannot escape them in lists of files
        raise UsageError(f"{lake} cannot be a lake: * ? [ in its name are patterns to DuckDB")
    if lake.startswith("s3://"):
        if not lake.removeprefix("s3://").partition("/")[0]:
            raise UsageError(f"{lake} names no bucket: write s3://bucket or s3://bucket/prefix")
        return lake.rstrip("/")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", lake):
        advice = "write s3://, two slashes" if lake.lower().startswith("s3:") else "name a folder or s3://bucket/prefix"
        raise UsageError(f"{lake} is no lake: {advice}")
    folder = Path(os.path.expanduser(lake or "."))  # noqa: PTH111 (which raises nothing without a home)
    if os.path.isfile(folder):  # noqa: PTH113 (which raises nothing for a folder without permission)
        raise UsageError(f"{lake} is a file: a lake is a folder or s3://bucket/prefix")
    return str(folder).rstrip("/") or "/"


def run_date(file: str) -> date | None:
    """Return the date with which a batch file's name starts; None if the name does not start with a date."""
    try:
        return date.fromisoformat(file.rsplit("/", 1)[-1][:10])
    except ValueError:
        return None
