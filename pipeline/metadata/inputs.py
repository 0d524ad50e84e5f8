"""The files of a lake that tell of companies, and which of them a table was made of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from stockstream.pipeline.lake import RAW_METADATA, Lake
from stockstream.sql.session import run_date

_NAME = re.compile(r"(?:symbols|raw-metadata)/\d{4}-\d\d-\d\d-([a-z-]+?)(?:-part-\d+)?\.(?:csv|parquet)", re.ASCII)


@dataclass(frozen=True)
class Input:
    """A file, the version of it that is there, and what it tells of which day."""

    key: str
    version: str
    what: str
    day: date


@dataclass(frozen=True)
class Inputs:
    """All that a lake has been told of companies."""

    lists: tuple[Input, ...]
    """Of all companies on a day: symbols, listing-dates (beside symbols) and polygon-tickers."""
    facts: tuple[Input, ...]
    """Of single companies: the newest polygon-delisted, which has all of them, and every polygon-events."""

    @classmethod
    def of(cls, lake: Lake) -> Inputs:
        """Look at what is in a lake now."""
        found = lake.store.list("symbols/") | lake.store.list(RAW_METADATA)
        files = [
            Input(key, listed.etag, match[1], day)
            for key, listed in sorted(found.items())
            if (match := _NAME.fullmatch(key)) and (day := run_date(key))
        ]
        lists = tuple(file for file in files if file.what in ("symbols", "listing-dates", "polygon-tickers"))
        delisted = tuple(file for file in files if file.what == "polygon-delisted")
        return cls(lists, delisted[-1:] + tuple(file for file in files if file.what == "polygon-events"))

    @property
    def days(self) -> list[date]:
        """The days of which there is a list, in order."""
        return sorted({file.day for file in self.lists if file.what != "listing-dates"})

    def between(self, after: date, through: date) -> Inputs:
        """Keep only the lists after a day and up to another."""
        return Inputs(tuple(file for file in self.lists if after < file.day <= through), self.facts)

    def has(self, what: str, day: date) -> bool:
        """Say whether something was told of a day."""
        return any(file.what == what and file.day == day for file in (*self.lists, *self.facts))

    def keys(self, *what: str) -> list[str]:
        """Give the keys of the files that tell something."""
        return [file.key for file in (*self.lists, *self.facts) if file.what in what]

    def checkpoint(self, through: date | None) -> dict[str, str]:
        """Name the versions of the lists up to a day, and of the facts."""
        return {
            "lists": _digest(file for file in self.lists if through and file.day <= through),
            "facts": _digest(self.facts),
        }


def _digest(files: Iterable[Input]) -> str:
    return hashlib.sha256("\n".join(f"{file.key} {file.version}" for file in files).encode()).hexdigest()
