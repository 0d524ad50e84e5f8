"""What the fold needs to know about a session: its hours, the names of the feed, previous closes and splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.live.fold import Fold, Session
from stockstream.pipeline.markets import FINAL_AFTER, Market
from stockstream.pipeline.symbols import matching, yahoo_code
from stockstream.sql.loader import load

_MAX_TIME = 32_503_680_000_000
"""The year 3000."""


@dataclass(frozen=True)
class Facts:
    """What the lake knows before a session, by symbol."""

    symbols: frozenset[str] = frozenset()
    """The companies of the newest list, and the symbols with bars in the year before; empty for a new lake."""
    closes: Mapping[str, float] = field(default_factory=dict)
    """The last close before the session, in the shares of the session."""
    splits: Mapping[str, float] = field(default_factory=dict)
    """New shares per old share, of the splits whose ex-date is the session."""
    recent: frozenset[str] = frozenset()
    """The symbols whose last close is of the session right before."""

    def with_splits(self, splits: Mapping[str, float]) -> Facts:
        """Return the facts with the splits of the session by another source, unless the lake has them already."""
        new = {symbol: ratio for symbol, ratio in splits.items() if symbol not in self.splits and ratio != 1}
        closes = {symbol: close / new.get(symbol, 1.0) for symbol, close in self.closes.items()}
        return Facts(self.symbols, closes, {**self.splits, **new}, self.recent)


def session_of(market: Market, day: date) -> Session:
    """Return the hours of a session.

    Raises:
        UsageError: the exchange does not trade on this day.
    """
    if not market.is_session(day):
        raise UsageError(f"{market.name} has no session on {day}: the market is closed on that day")
    hours = market.schedule(day.year).loc[str(day)]
    zone = ZoneInfo(market.timezone)
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(1)
    until = datetime(following.year, following.month, following.day, tzinfo=zone)
    opens, closes = (round(1000 * hours[name].timestamp()) for name in ("open", "close"))
    return Session(str(day), opens, closes, round(1000 * midnight.timestamp()), round(1000 * until.timestamp()))


def facts_of(lake: Lake, market: Market, day: date) -> Facts:
    """Return what a lake knows before a session.

    Raises:
        LakeError: the lake cannot be read.
    """
    with lake.session(None, "steps/live_closes", "views/symbols") as con:
        rows = con.execute(load("steps/live_closes").text, {"session": day}).fetchall()
        listed = con.execute("SELECT symbol FROM symbols").fetchall()
    before = market.sessions_back(day, 1)
    return Facts(
        symbols=frozenset(symbol for symbol, *_ in (*rows, *listed)),
        closes={symbol: close for symbol, _, close, _ in rows},
        splits={symbol: ratio for symbol, _, _, ratio in rows if ratio != 1},
        recent=frozenset(symbol for symbol, last, _, _ in rows if last == before),
    )


def chosen(facts: Facts, symbols: Iterable[str] | None) -> frozenset[str]:
    """Return the symbols to be streamed: those of the option `--symbols`, otherwise all of the lake.

    Raises:
        UsageError: the lake does not know one.
    """
    if symbols is None:
        return facts.symbols
    if not facts.symbols:
        return frozenset(symbols)
    return frozenset(matching(symbols, facts.symbols, "{names}: neither in the list of companies nor in the bars"))


def names_of(symbols: Iterable[str], market: Market) -> dict[str, str]:
    """Return the symbol per name in a feed: the exchange's code, as at Polygon, and Yahoo's code."""
    listed = list(symbols)
    return {yahoo_code(symbol, market.yahoo_suffix): symbol for symbol in listed} | {
        symbol: symbol for symbol in listed
    }


def fold_of(session: Session, facts: Facts, symbols: Iterable[str], market: Market) -> Fold:
    """Return the empty fold of a session; without symbols, any name is one."""
    names = names_of(symbols, market) or None
    return Fold(session, names, facts.closes, facts.splits, facts.recent)


def day_of(market: Market, times: Iterable[int]) -> date:
    """Return the exchange's date that most of some times have, in milliseconds since 1970, UTC.

    Raises:
        UsageError: none of them is a time of this millennium.
    """
    zone = ZoneInfo(market.timezone)
    days = Counter(datetime.fromtimestamp(at / 1000, zone).date() for at in times if 0 < at < _MAX_TIME)
    if not days:
        raise UsageError("no event of the recording has a time that can be one: name its day with --session")
    return days.most_common(1)[0][0]


def open_session(market: Market, now: datetime) -> Session | None:
    """Return the session of today, until its bar is final; None if the market is closed."""
    today = market.today(now)
    if not market.is_session(today):
        return None
    session = session_of(market, today)
    return session if now.timestamp() < ends_at(session) else None


def next_opening(market: Market, now: datetime) -> datetime:
    """Return when the next session opens, in the exchange's time zone."""
    opens = market.schedule(market.today(now).year + 1)["open"]
    first = opens[opens > now.astimezone(UTC)].iloc[0]
    return first.to_pydatetime().astimezone(ZoneInfo(market.timezone))  # type: ignore[no-any-return]


def ends_at(session: Session) -> float:
    """Return when the bars of a session are final, in seconds since 1970."""
    return session.closes / 1000 + FINAL_AFTER.total_seconds()
