"""What readers see of a damaged lake, and what must hold of it: right values, or one line that says what is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stockstream.sql.loader import views_for
from stockstream.sql.session import LakeWarning, connect
from tests.faults._cli import answer, command, notices
from tests.faults._damage import NO_PERMISSION
from tests.faults._lake import VIEWS, Sums, content
from tests.kill_at import Ended

TABLES = {
    "resampled": "bars_3d",
    "indicators": "indicators",
    "metadata": "metadata",
    "archive": "raw_bars",
    "batch file consolidated": "raw_bars",
    "batch file fresh": "raw_bars",
    "quarantine file": "quarantine",
    "calendar": "gaps",
    "symbols list": "symbols",
}
"""The view per kind of file that reads it; for all others BARS."""
BARS = "silver_bars"
ALL_VIEWS = (*VIEWS, "quarantine", "gaps")
SILENT = {
    "batch file fresh": ("bit flip", "gone", "older copy"),
    "batch file consolidated": ("gone", "older copy"),
    "quarantine file": ("bit flip", "gone", "older copy"),
    "symbols list": ("bit flip", "middle", "gone", "older copy"),
    "state/checks": ("bit flip", "gone", "older copy"),
    "state/runs": ("bit flip", "gone", "older copy"),
    "calendar": ("bit flip", "older copy"),
    "old manifest": ("gone",),
}
"""Damage that cannot be noticed: the lake has no second record of these bytes, or of the existence of the file."""


@dataclass(frozen=True)
class Cell:
    """One cell of the table: a file of a kind, and what happens to it."""

    place: str
    kind: str
    damage: str
    key: str

    @property
    def is_silent(self) -> bool:
        """Whether it cannot be noticed."""
        return self.damage in SILENT.get(self.kind, ())


def readers(kind: str) -> dict[str, list[str]]:
    """Return the commands that read a lake with a damaged file of a kind."""
    columns = "SELECT COLUMNS(c -> c NOT IN ('fetch_timestamp', 'file'))"
    query = "SELECT count(*) AS rows, sum(hash(t))::VARCHAR AS hash FROM ({} FROM {}) AS t"
    return {
        "query": ["query", query.format(columns, "bars"), "--json"],
        "query of the table": ["query", query.format(columns, TABLES.get(kind, BARS)), "--json"],
        "status": ["status", "--json"],
        "history": ["history", "--json"],
        "check": ["check", "--json"],
    }


def read(lake: str, argv: list[str]) -> tuple[Ended, Any]:
    """Run a reader; return what it printed, and its answer without what differs from lake to lake."""
    ended = command(*argv, "--lake", lake)
    return ended, _plain(answer(ended), lake)


def _plain(value: Any, lake: str) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item, lake) for key, item in value.items() if key not in ("seconds", "lake")}
    if isinstance(value, list):
        return [_plain(item, lake) for item in value]
    return value.replace(lake, "") if isinstance(value, str) else value


def judged(reader: str, ended: Ended, value: Any, expected: Any, cell: Cell) -> str:
    """Return `served` or `named`; fail on a wrong value in silence, a traceback, and a line that helps no one."""
    said = notices(ended)
    about = f"{reader}: {ended}"
    assert "Traceback" not in ended.err, about
    assert ended.code in (0, 1, 2, 3, 4), about
    assert sum(line.startswith("error: ") for line in said) <= 1, about
    if ended.code == 0 and not said:
        assert value == expected or cell.is_silent or (reader != "check" and cell.damage == "bit flip"), about
        return "served"
    if reader == "check" and value is not None and any(row["status"] == "fail" for row in value["checks"]):
        return "named"
    name = Path(cell.key).name
    if reader == "history" and any(
        row.get("problem") for row in value or [] if name == f"{row['generation']:06d}.json"
    ):
        return "named"
    if reader == "check":
        said = [*said, ended.out]  # a check that could not be run says why
    assert any(name in line for line in said), f"no line names {name}: {about}"
    if cell.damage != NO_PERMISSION:
        assert any("stockstream repair" in line for line in said), f"no line names the command that mends it: {about}"
    return "named"


def contents(lake: str) -> dict[str, Sums]:
    """Return the sums of all views, whether or not a file is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LakeWarning)
        return content(lake, *ALL_VIEWS)


def bars_of(lake: str) -> set[tuple[str, str]]:
    """Return the symbol and the day of all bars."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LakeWarning)
        with connect(lake, only=views_for("views/bars")) as con:
            return {(symbol, str(day)) for symbol, day in con.sql("SELECT symbol, date FROM bars").fetchall()}


@dataclass(frozen=True)
class Losses:
    """What `repair` reports as lost."""

    entries: list[dict[str, Any]]
    notes: list[str]

    @classmethod
    def of(cls, repaired: Mapping[str, Any] | None) -> Losses:
        """Read the losses from the answer of `repair --apply --json`."""
        return cls((repaired or {}).get("lost", []), (repaired or {}).get("notes", []))

    @property
    def rows(self) -> int:
        """The number of rows, as far as it is known."""
        return sum(entry["rows"] or 0 for entry in self.entries)

    def has_raw_rows_of(self, key: str) -> bool:
        """Return whether a note says that the rows of a file are gone as they were fetched; silver has their bars."""
        return any(note.startswith(f"raw_bars lacks the rows of {key}, ") for note in self.notes)

    def names(self, symbol: str, day: str) -> bool:
        """Return whether a bar is among the losses: by its symbol and day, or by the days of an unreadable file."""
        return any(
            entry["symbol"] in (symbol, None) and entry["days"] and entry["days"][0] <= day <= entry["days"][-1]
            for entry in self.entries
        )
