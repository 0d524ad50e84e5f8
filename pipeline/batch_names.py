"""Sets of batch files in a manifest: per day the number of its batches, and by name only the files that are exceptions.

`{"days": {"2026-11-20": 23}, "files": ["2026-11-20-batch-4-part-1.parquet"]}` are the batches 0 to 22 of a day and one
more file. A thousand days of 23 batches are 18 KB, their names 758 KB. Format 1 has a list of names.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_FIRST_PART = re.compile(r"^(\d{4}-\d\d-\d\d)-batch-(0|[1-9]\d{0,5})\.parquet$")
_MOST = 1_000_000
"""Batches per day: a greater number in a manifest is damage."""


def batch_name(day: str, number: int) -> str:
    """Return the name of a day's batch, its first part."""
    return f"{day}-batch-{number}.parquet"


def compact(names: Collection[str]) -> dict[str, Any]:
    """Return names in their stored form."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for name in names:
        if match := _FIRST_PART.match(name):
            numbers[match.group(1)].add(int(match.group(2)))
    days = {day: _length(batches) for day, batches in sorted(numbers.items())}
    files = (name for name in names if not _is_counted(name, days))
    return {"days": {day: count for day, count in days.items() if count}, "files": sorted(files)}


def expand(stored: Any) -> Any:
    """Return the names, sorted, of the stored form or of a list.

    Raises:
        ValueError: A name is that of a file in another folder, or a number is none of batches.
    """
    if isinstance(stored, dict):
        days, files = stored.get("days", {}), stored.get("files", [])
        if any(not isinstance(count, int) or not 0 <= count <= _MOST for count in days.values()):
            raise ValueError("a number of batches is not one")
        stored = sorted([*files, *(batch_name(day, number) for day, count in days.items() for number in range(count))])
    for name in stored:
        if not isinstance(name, str) or any(mark in name for mark in "/\\\0"):
            raise ValueError(f"{name!r} is no name of a batch file")
    return tuple(stored)


def to_text(names: Iterable[str]) -> str:
    """Return names in their stored form as a text, for a value of `Table.made_from`."""
    return json.dumps(compact(sorted(names)), separators=(",", ":"))


def from_text(text: str) -> tuple[str, ...]:
    """Return the names in such a text, or in one of format 1, which has the names with spaces between them.

    Raises:
        ValueError: as in `expand`.
    """
    return tuple(expand(json.loads(text) if text.startswith("{") else text.split()))


BatchNames = Annotated[tuple[str, ...], BeforeValidator(expand), PlainSerializer(compact)]
"""The names of batch files, stored in the compact form."""


def _length(numbers: set[int]) -> int:
    """Return how many numbers from 0 on have no gap."""
    return next(number for number in range(len(numbers) + 1) if number not in numbers)


def _is_counted(name: str, days: dict[str, int]) -> bool:
    match = _FIRST_PART.match(name)
    return match is not None and int(match.group(2)) < days[match.group(1)]
