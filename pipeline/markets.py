"""Markets: an exchange's trading calendar, time zone, and the suffix of its codes at Yahoo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from stockstream.sql.errors import UsageError, did_you_mean

FINAL_AFTER = timedelta(minutes=30)
"""Time from the close until a session's bar is final; sources lag the exchange by up to 20 minutes."""
FIRST_YEAR = 1950
"""First year of the calendars. Earlier bars are stored, but not resampled, and `gaps` does not look there."""


@dataclass(frozen=True)
class Market:
    """A market. A lake holds exactly one."""

    name: str
    calendar: str
    """The exchange's ISO 10383 code, as in exchange_calendars."""
    timezone: str
    """IANA name."""
    yahoo_suffix: str
    """What Yahoo appends to the exchange's own code."""
    currency: str
    """ISO 4217 code of the currency of the prices."""
    suffixes: tuple[str, ...] = ()
    """What files of other vendors, and of Yahoo, append to it, in upper case."""

    def today(self, now: datetime) -> date:
        """Return the exchange's local date at a moment (aware)."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def complete_through(self, day: date, now: datetime) -> date:
        """Return the last session up to `day` whose bar is final at `now` (aware)."""
        closes = self.schedule(day.year)["close"]
        final = closes[(closes.index.date <= day) & (closes + FINAL_AFTER <= now.astimezone(UTC))]
        return final.index[-1].date()  # type: ignore[no-any-return]

    def final_after(self, day: date, now: datetime) -> datetime | None:
        """Return when the bar of the first session after `day` became final (UTC); None if none is at `now` (aware)."""
        closes = self.schedule(now.year)["close"]
        final = closes[(closes.index.date > day) & (closes + FINAL_AFTER <= now.astimezone(UTC))]
        return (final.iloc[0] + FINAL_AFTER).to_pydatetime() if len(final) else None

    def sessions_back(self, day: date, count: int) -> date:
        """Return the session `count` sessions before the last one up to `day`."""
        sessions = self.schedule(day.year).index
        at = sessions.searchsorted(str(day), side="right") - 1
        return sessions[max(at - count, 0)].date()  # type: ignore[no-any-return]

    def is_session(self, day: date) -> bool:
        """Return whether the exchange trades on a day."""
        return str(day) in self.schedule(day.year).index

    def schedule(self, through_year: int) -> Any:
        """Return the sessions from FIRST_YEAR through a year: a pandas frame by session, with open and close in UTC."""
        return _schedule(self.calendar, through_year)


@cache
def _schedule(calendar: str, through_year: int) -> Any:
    import exchange_calendars  # imports pandas: only where a calendar is needed

    exchange = exchange_calendars.get_calendar(calendar, start=f"{FIRST_YEAR}-01-01", end=f"{through_year}-12-31")
    return exchange.schedule[["open", "close"]]


MARKETS = {
    market.name: market
    for market in (
        Market("ASX", "XASX", "Australia/Sydney", ".AX", "AUD", (".AX", ".AU")),
        Market("US", "XNYS", "America/New_York", "", "USD", (".US",)),
    )
}
"""The markets by name. The module of listings/ with a market's name reads its list of companies."""


def market(name: str) -> Market:
    """Return a market by its name, in upper or lower case.

    Raises:
        UsageError: there is no such market.
    """
    try:
        return MARKETS[name.upper()]
    except KeyError:
        near = did_you_mean(name, MARKETS)
        raise UsageError(f"no market {name}: there are {', '.join(MARKETS)}{near}") from None
