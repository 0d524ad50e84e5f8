"""The inputs of the table `metadata`: the files of a lake that list companies, or state facts about single ones."""

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
    """One file: its key, its present version, its kind, and the day for which it is valid."""

    key: str
    version: str
    kind: str
    day: date


@dataclass(frozen=True)
class Inputs:
    """All files of a lake with lists of companies or facts about them."""

    lists: tuple[Input, ...]
    """Files about all companies of a day, of the kinds symbols, listing-dates (beside symbols) and polygon-tickers."""
    facts: tuple[Input, ...]
    """Files about single companies: the newest polygon-delisted, which is complete, and every polygon-events."""

    @classmethod
    def of(cls, lake: Lake) -> Inputs:
        """Return the inputs that are in a lake now."""
        objects = lake.store.list("symbols/") | lake.store.list(RAW_METADATA)
        files = [
            Input(key, listed.etag, match[1], day)
            for key, listed in sorted(objects.items())
            if (match := _NAME.fullmatch(key)) and (day := run_date(key))
        ]
        lists = tuple(file for file in files if file.kind in ("symbols", "listing-dates", "polygon-tickers"))
        delisted = tuple(file for file in files if file.kind == "polygon-delisted")
        return cls(lists, delisted[-1:] + tuple(file for file in files if file.kind == "polygon-events"))

    @property
    def days(self) -> list[date]:
        """The days that have a list, sorted."""
        return sorted({file.day for file in self.lists if file.kind != "listing-dates"})

    def between(self, after: date, through: date) -> Inputs:
        """Return all facts, and the lists after the day `after` and up to the day `through`."""
        return Inputs(tuple(file for file in self.lists if after < file.day <= through), self.facts)

    def has(self, kind: str, day: date) -> bool:
        """Return whether there is a file of a kind for a day."""
        return any(file.kind == kind and file.day == day for file in (*self.lists, *self.facts))

    def keys(self, *kinds: str) -> list[str]:
        """Return the keys of the files of some kinds."""
        return [file.key for file in (*self.lists, *self.facts) if file.kind in kinds]

    def checkpoint(self, through: date | None) -> dict[str, str]:
        """Return two checksums: `lists`, of the keys and versions of the lists up to a day, and `facts`."""
        return {
            "lists": _digest(file for file in self.lists if through and file.day <= through),
            "facts": _digest(self.facts),
        }


def _digest(files: Iterable[Input]) -> str:
    return hashlib.sha256("\n".join(f"{file.key} {file.version}" for file in files).encode()).hexdigest()
