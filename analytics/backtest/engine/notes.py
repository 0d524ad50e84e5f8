"""The notes of a run for its user; each says a thing once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from stockstream.analytics.backtest.engine.packing import pack, unpack
from stockstream.analytics.backtest.model import Note


@dataclass
class _Entry:
    note: Note
    count: int
    last: date


class Notes:
    """Collects the notes of a run."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._repeated: dict[tuple[str | None, str], _Entry] = {}

    def add(self, day: date, symbol: str | None, text: str) -> None:
        """Add a note on an event of its own."""
        self._entries.append(_Entry(Note(day, symbol, text), 1, day))

    def once(self, day: date, symbol: str | None, text: str, detail: str) -> None:
        """Add a note with a detail in brackets, unless the symbol has one with the same text."""
        if (symbol, text) not in self._repeated:
            self.add(day, symbol, f"{text} ({detail})")
            self._repeated[symbol, text] = self._entries[-1]

    def count(self, day: date, symbol: str | None, text: str) -> None:
        """Add a note; if the symbol has one that differs in numbers only, count it there instead."""
        key = symbol, re.sub(r"[\d,.]*\d", "#", text)
        if (entry := self._repeated.get(key)) is not None:
            entry.count, entry.last = entry.count + 1, day
            return
        self.add(day, symbol, text)
        self._repeated[key] = self._entries[-1]

    def all(self) -> list[Note]:
        """Return the notes in the order of their first days; a counted one says how many more there were."""
        return [
            replace(one.note, text=f"{one.note.text}; {one.count - 1} more like it, the last on {one.last}")
            if one.count > 1
            else one.note
            for one in self._entries
        ]

    def state(self) -> list[list[Any]]:
        """Return the notes as JSON values: note, count, last day, and the key of a note that is not repeated."""
        keys = {id(entry): list(key) for key, entry in self._repeated.items()}
        return [[pack(one.note), one.count, one.last.isoformat(), keys.get(id(one))] for one in self._entries]

    def restore(self, state: list[list[Any]]) -> None:
        """Set the notes that `state` has returned."""
        for note, count, last, key in state:
            self._entries.append(_Entry(unpack(Note, note), count, date.fromisoformat(last)))
            if key is not None:
                self._repeated[key[0], key[1]] = self._entries[-1]
