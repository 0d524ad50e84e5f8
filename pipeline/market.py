"""Markets: an exchange's calendar, time zone and how sources write its codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from stockstream.sql.errors import UsageError, did_you_mean

SETTLING = timedelta(minutes=30)
"""How long after the close a session's bar is taken as final; sources run up to 20 minutes behind the exchange."""
FIRST_YEAR = 1950
"""Calendars reach back to here; earlier bars are stored, but not resampled, and no gap is known before."""


@dataclass(frozen=True)
class Market:
    """A market. A lake holds exactly one."""

    name: str
    calendar: str
    """ISO 10383 code, as exchange_calendars has it."""
    timezone: str
    yahoo_suffix: str

    def today(self, now: datetime) -> date:
        """Give the exchange's local date at a moment (aware)."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def complete_through(self, day: date, now: datetime) -> date:
        """Give the last session up to `day` whose bar is final at `now` (aware)."""
        closes = self.schedule(day.year)["close"]
        final = closes[(closes.index.date <= day) & (closes + SETTLING <= now.astimezone(UTC))]
        return final.index[-1].date()  # type: ignore[no-any-return]

    def sessions_back(self, day: date, count: int) -> date:
        """Give the session `count` sessions before the one at or before `day`."""
        sessions = self.schedule(day.year).index
        at = sessions.searchsorted(str(day), side="right") - 1
        return sessions[max(at - count, 0)].date()  # type: ignore[no-any-return]

    def schedule(self, through_year: int) -> Any:
        """Give every session from FIRST_YEAR through a year: a pandas frame by session, columns open and close, UTC."""
        return _schedule(self.calendar, through_year)


@cache
def _schedule(calendar: str, through_year: int) -> Any:
    import exchange_calendars  # imports pandas: only where a calendar is needed

    known = exchange_calendars.get_calendar(calendar, start=f"{FIRST_YEAR}-01-01", end=f"{through_year}-12-31")
    return known.schedule[["open", "close"]]


MARKETS = {
    market.name: market
    for market in (
        Market("ASX", "XASX", "Australia/Sydney", ".AX"),
        Market("US", "XNYS", "America/New_York", ""),
    )
}


def market(name: str) -> Market:
    """Give a market by name.

    Raises:
        UsageError: there is no such market.
    """
    try:
        return MARKETS[name.upper()]
    except KeyError:
        near = did_you_mean(name, MARKETS)
        raise UsageError(f"no market {name}: there are {', '.join(MARKETS)}{near}") from None
