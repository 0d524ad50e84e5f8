"""Rules such as `month_end-1`: in which sessions a strategy is called besides its bars.

The days of a rule come from the exchange's calendar as it was planned, so that they are known before. If a rule's day
turns out to have no session in the run, the next session counts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from datetime import date, timedelta
from itertools import groupby

from stockstream.sql.errors import UsageError

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
_PERIODS: dict[str, Callable[[date], Hashable]] = {
    "week": lambda day: day.isocalendar()[:2],
    "month": lambda day: (day.year, day.month),
    "quarter": lambda day: (day.year, (day.month - 1) // 3),
    "year": lambda day: day.year,
}
_RULE = re.compile(r"(?P<period>week|month|quarter|year)_(?P<side>start|end)(?P<offset>[+-]\d+)?|every (?P<n>[1-9]\d*)")
UNPLANNED = frozenset(
    date.fromisoformat(text)
    for text in (
        "1963-11-25", "1969-02-10", "1977-07-14", "1985-09-27", "2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14",
        "2012-10-29", "2012-10-30",
    )
)  # fmt: skip
"""Weekdays on which the New York Stock Exchange stayed closed without having planned it: a mourning, snow, a blackout,
hurricanes, an attack. A calendar of today does not have them as sessions, which could not be known before."""


def days_of(rule: str, sessions: Sequence[date]) -> list[date]:
    """Return the days of a rule in a calendar, in order.

    Args:
        rule: `month_start`, `month_end`, the same of week, quarter and year, each with a number of sessions after the
            start or before the end, as in `month_start+2` and `month_end-1`; or `monday` to `friday`, the next session
            of the week if that day has none.
        sessions: the sessions of the exchange, in order.

    Raises:
        UsageError: the rule cannot be read.
    """
    planned = sorted({*sessions, *(day for day in UNPLANNED if sessions and sessions[0] < day < sessions[-1])})
    if rule in _WEEKDAYS:
        earliest = _WEEKDAYS.index(rule)
        weeks = (list(days) for _, days in groupby(planned, _PERIODS["week"]))
        late = ([day for day in days if day.weekday() >= earliest] for days in weeks)
        return [days[0] for days in late if days]
    match = _RULE.fullmatch(rule)
    if match is None or match["n"]:
        raise UsageError(f"schedule {rule!r}: write month_start, month_end-1, week_end, monday or every 5")
    offset, is_start = int(match["offset"] or 0), match["side"] == "start"
    if offset and (offset > 0) != is_start:
        raise UsageError(f"schedule {rule!r}: a start has sessions after it (+), an end sessions before it (-)")
    periods = [list(days) for _, days in groupby(planned, _PERIODS[match["period"]])]
    at = offset if is_start else offset - 1
    return [days[at] for days in periods if len(days) > abs(offset)]


class Schedule:
    """The rules of one run: asked once per session, in order."""

    def __init__(self, rules: str | Sequence[str], sessions: Callable[[], Sequence[date]]) -> None:
        """Read the rules; `sessions` returns the exchange's calendar and is called only if a rule needs it.

        Raises:
            UsageError: a rule cannot be read, or there is no calendar.
        """
        self._rules = (rules,) if isinstance(rules, str) else tuple(rules)
        self._every = {rule: int(match["n"]) for rule in self._rules if (match := _RULE.fullmatch(rule)) and match["n"]}
        calendar = sessions() if len(self._every) < len(self._rules) else ()
        self._days = {rule: days_of(rule, calendar) for rule in self._rules if rule not in self._every}
        self._end = calendar[-1] if calendar else None
        self.last: date | None = None
        """The last session that was asked for."""
        if self._days and not calendar:
            raise UsageError(f"schedule {min(self._days)}: the lake has no calendar, which `stockstream run` writes")

    def due(self, day: date, number: int) -> list[str]:
        """Return the rules that count in a session.

        Args:
            day: the session, after `last`.
            number: its number in the run, from 1.

        Raises:
            UsageError: the calendar ends before the session.
        """
        if self._end is not None and day > self._end:
            raise UsageError(f"the lake's calendar ends on {self._end}, before {day}: `stockstream run` extends it")
        last = self.last or day - timedelta(days=1)
        self.last = day
        return [
            rule
            for rule in self._rules
            if (
                (number - 1) % self._every[rule] == 0
                if rule in self._every
                else bisect_right(self._days[rule], last) < bisect_right(self._days[rule], day)
            )
        ]
