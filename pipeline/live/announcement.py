"""The announcement of a session: what a consumer on AWS must know to fold its events. The producer writes it.

`live/SESSION/announcement.json` has the session's hours, and the facts of the lake and of the source (`facts.py`). So
the function that folds needs neither a calendar nor a query, and it decides by the times of the events alone: those of
a day that no producer has announced are not used, whatever the clock of the machine says.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import LIVE, Lake, live_key
from stockstream.pipeline.live.facts import Facts, fold_of
from stockstream.pipeline.live.fold import Fold, Session
from stockstream.pipeline.live.sources.base import Plan
from stockstream.pipeline.markets import MARKETS, Market
from stockstream.pipeline.store import Stored

NAME = "announcement.json"
FRESH = 60.0
"""Seconds after which a consumer reads an announcement again."""


class Announcement(msgspec.Struct):
    """What is announced."""

    session: Session
    market: str
    source: str
    """Where the events come from, as on the command line."""
    channel: str
    symbols: list[str]
    closes: dict[str, float]
    splits: dict[str, float]
    recent: list[str]
    format: int = 1

    def fold(self) -> Fold:
        """Return the empty fold of the session."""
        facts = Facts(frozenset(self.symbols), self.closes, self.splits, frozenset(self.recent))
        return fold_of(self.session, facts, self.symbols, MARKETS[self.market])


def announce(lake: Lake, plan: Plan, source: str, facts: Facts, symbols: Iterable[str]) -> None:
    """Announce the session of a plan; symbols that another producer has announced stay.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    session = plan.session
    if session is None:
        raise LakeError("there is no session to announce")

    def make(before: Stored | None) -> bytes:
        before_it = _decoded(before, session.date) if before else None
        listed = sorted({*symbols, *(before_it.symbols if before_it else ())})
        return msgspec.json.encode(
            Announcement(
                session,
                plan.market.name,
                source,
                plan.channel,
                listed,
                {symbol: facts.closes[symbol] for symbol in listed if symbol in facts.closes},
                {symbol: facts.splits[symbol] for symbol in listed if symbol in facts.splits},
                sorted(facts.recent.intersection(listed)),
            )
        )

    lake.update(live_key(session.date, NAME), make)


class Announcements:
    """The announced sessions of a lake, read when an event of their day comes and again after a minute."""

    def __init__(self, lake: Lake, market: Market) -> None:
        self._lake, self._zone = lake, ZoneInfo(market.timezone)
        self._days: dict[str, tuple[float, Fold | None]] = {}
        self._span: tuple[int, int, str] = (0, 0, "")

    def day_of(self, at: int) -> str | None:
        """Return the exchange's date of a time in milliseconds; None if no calendar has it."""
        begin, end, day = self._span
        if begin <= at < end:
            return day
        try:
            return str(datetime.fromtimestamp(at / 1000, self._zone).date())
        except (ValueError, OverflowError, OSError):
            return None

    def base(self, day: str) -> Fold | None:
        """Return the empty fold of a session, for `new_fold`; None if the session is not announced.

        Raises:
            LakeError: the announcement cannot be read.
        """
        read_at, fold = self._days.get(day, (-FRESH, None))
        if time.monotonic() - read_at >= FRESH:
            announcement = announcement_of(self._lake, day)
            fold = announcement.fold() if announcement else None
            self._days[day] = time.monotonic(), fold
        if fold is not None:
            self._span = fold.session.day_from, fold.session.day_until, day
        return fold


def new_fold(base: Fold) -> Fold:
    """Return an empty fold with the facts of another one."""
    return Fold(base.session, base.names, base.closes, base.splits, base.recent)


def announcement_of(lake: Lake, day: str) -> Announcement | None:
    """Return the announcement of a session; None if there is none.

    Raises:
        LakeError: it cannot be read.
    """
    stored = lake.store.get(live_key(day, NAME))
    return _decoded(stored, day) if stored else None


def announced_sessions(lake: Lake) -> dict[str, timedelta]:
    """Return the age of the announcement of every session that has one."""
    return {key.split("/")[1]: item.age for key, item in lake.store.list(LIVE).items() if key.endswith(f"/{NAME}")}


def _decoded(stored: Stored, day: str) -> Announcement:
    try:
        announcement = msgspec.json.decode(stored.data, type=Announcement)
    except msgspec.DecodeError as error:
        raise LakeError(f"the announcement of {day} is damaged ({error}): start its producer again") from None
    if announcement.format != 1 or announcement.market not in MARKETS:
        raise LakeError(f"the announcement of the session {day} is by a newer version of this program")
    return announcement
