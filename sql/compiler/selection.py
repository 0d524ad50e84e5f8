"""Which of the computed rows are returned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from stockstream.sql.variables import quoted


@dataclass(frozen=True)
class Selection:
    """The rows of a range of days, and all rows of some symbols. All bars before are still computed from."""

    first: date | None = None
    """The first day; None: from the first bar on."""
    last: date | None = None
    """The last day; None: up to the last bar."""
    with_previous: bool = False
    """Whether a symbol's last row before the first day is returned, too."""
    whole: frozenset[str] = frozenset()
    """The symbols of which all rows are returned."""

    @property
    def is_all(self) -> bool:
        """Whether all rows are returned."""
        return self.first is None and self.last is None

    def of(self, query: str) -> str:
        """Return the query of the selected rows of a query."""
        if self.is_all:
            return query
        conditions = [] if self.last is None else [f"date <= DATE '{self.last}'"]
        if self.first is not None:
            first = f"DATE '{self.first}'"
            if self.with_previous:
                last_before = f"max(CASE WHEN date < {first} THEN date END) OVER (PARTITION BY symbol)"
                first = f"coalesce({last_before}, {first})"
            conditions.append(f"date >= {first}")
        whole = f" OR symbol IN ({', '.join(map(quoted, sorted(self.whole)))})" if self.whole else ""
        clause = "QUALIFY" if self.with_previous and self.first is not None else "WHERE"
        return f"SELECT * FROM ({query}) {clause} ({' AND '.join(conditions)}){whole}"
