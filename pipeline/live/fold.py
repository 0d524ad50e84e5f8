"""The fold: a pure function from events to the live bars of one session, each event once.

A record of the journal has a position and events. An event is in a bar exactly once, however often and in whatever
batches records are delivered, because of two things that are both part of the bar:
- the position: records up to it are skipped, however they come again;
- the identity of the event within a window of 15 minutes before the symbol's newest event: (symbol, kind, start) of an
  aggregate, exchange and id of a trade. A source that reconnects may send the same event in a new record.

An event that is older than the window is counted as late and is not folded: nothing says whether the bar has it. Its
volume appears in `missed`, until a repair (`repair.py`) folds the whole day of the symbol again. A late event within
the window changes open (if it is the earliest), high, low and volume, and the close only if no newer event has set it.

What is not used is counted in `counts` by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stockstream.pipeline.live.bar import MAX_PRICE, MAX_VOLUME, SCALE, Bar
from stockstream.pipeline.live.conditions import NO_CLOSE, NO_PRICE, NO_VOLUME
from stockstream.pipeline.live.day import fold_day
from stockstream.pipeline.live.events import KINDS, Aggregate, Minute, Second, Status, Trade
from stockstream.pipeline.symbols import MAX_LENGTH, canonical, fault
from stockstream.sql.text import one_line

WINDOW = 900_000
"""Milliseconds before the newest event of a symbol within which the identities of events are remembered."""
UNITS: Mapping[type, int] = {Second: 1000, Minute: 60_000}
"""Milliseconds of an aggregate."""
MAX_UNKNOWN = 1000
_SEQUENCE_BITS = 40
"""Bits of a trade's order below its time: the sequence number of the exchange."""


@dataclass(frozen=True)
class Session:
    """The hours of a session in milliseconds since 1970, UTC; the day is that of the exchange."""

    date: str
    """YYYY-MM-DD."""
    opens: int
    closes: int
    """The first millisecond after the session."""
    day_from: int
    day_until: int


@dataclass
class Fold:
    """The live bars of a session, by the name that the feed has for the symbol.

    `names` maps the feed's names to the symbols of the lake; None: any name is a symbol. `closes` and `splits` have,
    per symbol, the previous close in the shares of the session, and the ratio of a split on its day.
    """

    session: Session
    names: Mapping[str, str] | None = None
    closes: Mapping[str, float] = field(default_factory=dict)
    splits: Mapping[str, float] = field(default_factory=dict)
    recent: Collection[str] = frozenset()
    """The symbols whose previous close is of the session right before."""
    kind: type[Any] | None = None
    """The type of the events that become bars; None: that of the first one. Others would count volume twice."""
    bars: dict[str, Bar] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    """Names in events that are no symbol, at most `MAX_UNKNOWN`."""
    watched: dict[str, list[Any]] = field(default_factory=dict)
    """Per symbol under repair, the events since the request."""

    def __post_init__(self) -> None:
        self.until = self.session.day_until
        """The first millisecond that is too new for an event; see `Stream`."""
        self._aliases: dict[str, list[str]] = {}
        """The names of each symbol: a feed may use more than one, for one bar."""
        for name, symbol in (self.names or {}).items():
            self._aliases.setdefault(symbol, []).append(name)

    def apply(self, position: str, events: Iterable[Any]) -> dict[str, Bar]:
        """Fold the events of the record at a position; return the bars that changed, by the feed's name."""
        changed: dict[str, Bar] = {}
        names: dict[str, Bar] = {}
        for event in events:
            kind = event.__class__
            if kind is not self.kind and not self._is_kind(kind):
                continue
            name = event.symbol
            bar = self.bars.get(name)
            if bar is None:
                name = self._place(name)
                if name is None:
                    continue
                bar = self.bars[name]
            if bar.position >= position:
                self.counts["delivered again"] += 1
                continue
            names[name] = bar
            if self.watched and name in self.watched:
                self.watched[name].append(event)
            if self.fold(bar, event):
                changed[name] = bar
        for bar in names.values():
            bar.position = position
        return changed

    def fold(self, bar: Bar, event: Any) -> bool:
        """Fold one event into the bar of its symbol; return whether it changed the bar."""
        kind = event.__class__
        if kind is Second or kind is Minute:
            return self._aggregate(bar, event, UNITS[kind])
        return self._trade(bar, event) if kind is Trade else fold_day(self, bar, event)

    def _is_kind(self, kind: type[Any]) -> bool:
        """Return whether events of a type are folded, after the first of them has decided."""
        if self.kind is None and kind in KINDS.values():
            self.kind = kind
            return True
        self.counts["status" if kind is Status else "another kind of event"] += 1
        return False

    def _place(self, name: str) -> str | None:
        """Return the name under which a symbol has its bar, a new one if it has none; None, and a count, if unknown."""
        symbol = self.symbol_of(name)
        if symbol is None:
            self.counts["unknown symbol"] += 1
            if len(self.unknown) < MAX_UNKNOWN:
                self.unknown.add(one_line(name[:MAX_LENGTH]))
            return None
        for other in self._aliases.get(symbol, ()):
            if other in self.bars:
                return other
        self.bars[name] = self.empty(symbol)
        return name

    def symbol_of(self, name: str) -> str | None:
        """Return the symbol that the feed's name means; None if there is none.

        Without a list of symbols, any name in the form in which symbols are stored is one: `bhp` is not.
        """
        if self.names is not None:
            return self.names.get(name)
        return None if fault(name) or canonical(name) != name else name

    def empty(self, symbol: str) -> Bar:
        """Return the bar of a symbol before its first event."""
        return Bar(symbol, self.closes.get(symbol), self.splits.get(symbol, 1.0))

    def _aggregate(self, bar: Bar, event: Aggregate, unit: int) -> bool:
        low, high, volume, at = event.low, event.high, event.volume, event.at
        if not (0 < low <= event.open <= high < MAX_PRICE and low <= event.close <= high):
            self.counts["impossible price"] += 1
            return False
        if not 0 <= volume < MAX_VOLUME:
            self.counts["impossible volume"] += 1
            return False
        session = self.session
        if not session.day_from <= at < self.until:
            self.count_time(at)
            return False
        order, rest = divmod(at, unit)
        if rest:
            self.counts["not the start of an interval"] += 1
            return False
        is_newest = order > bar.last
        if not self._is_first(bar, order, WINDOW // unit):
            return False
        shares = volume * SCALE if volume.__class__ is int else round(volume * SCALE)
        if is_newest:
            total = event.total
            if total is not None and 0 <= total < MAX_VOLUME:
                bar.total = total * SCALE if total.__class__ is int else round(total * SCALE)
            else:
                if total is not None:
                    self.counts["impossible volume of the day"] += 1
                if bar.total is not None:  # the vendor's number does not include this event
                    bar.total += shares
        if not session.opens <= at < session.closes:
            bar.outside += shares
            self.counts["outside the session"] += 1
            return True
        bar.volume += shares
        if bar.events == 0:
            bar.begin(event.open, high, low)
        else:
            if high > bar.high:
                bar.high = high
            if low < bar.low:
                bar.low = low
            if order < bar.first and not bar.day_open:
                bar.open = event.open
        bar.events += 1
        if order < bar.first or bar.first < 0:
            bar.first = order
        if order > bar.closing:
            bar.closing, bar.close, bar.at = order, event.close, at + unit
        if event.day_open and not bar.day_open:
            if 0 < event.day_open < MAX_PRICE:
                bar.open_officially(event.day_open)
            else:
                self.counts["impossible official open"] += 1
        return True

    def count_time(self, at: int) -> None:
        """Count an event whose time is not used."""
        is_today = self.session.day_from <= at < self.session.day_until
        self.counts["ahead of the clock" if is_today else "another day"] += 1

    def _is_first(self, bar: Bar, order: int, window: int) -> bool:
        """Return whether a unit is within the window and not in the bar yet, and remember it."""
        ahead = order - bar.last
        if ahead > 0:
            bar.seen = (bar.seen << ahead & (1 << window) - 1 | 1) if ahead < window else 1
            bar.last = order
            return True
        if -ahead >= window:
            self.counts["too late"] += 1
            return False
        bit = 1 << -ahead
        if bar.seen & bit:
            self.counts["duplicate"] += 1
            return False
        bar.seen |= bit
        bar.late += 1
        return True

    def _trade(self, bar: Bar, event: Trade) -> bool:
        if not 0 < event.price < MAX_PRICE:
            self.counts["impossible price"] += 1
            return False
        if not 0 <= event.size < MAX_VOLUME:
            self.counts["impossible volume"] += 1
            return False
        session, at = self.session, event.at
        if not session.day_from <= at < self.until:
            self.count_time(at)
            return False
        identity = f"{event.exchange}:{event.id}"
        if bar.last - at > WINDOW:
            self.counts["too late"] += 1
            return False
        if identity in bar.ids:
            self.counts["duplicate"] += 1
            return False
        self._remember(bar, identity, at)
        conditions = set(event.conditions)
        shares = 0 if conditions & NO_VOLUME else round(event.size * SCALE)
        if not session.opens <= at < session.closes:
            bar.outside += shares
            self.counts["outside the session"] += 1
            return True
        bar.volume += shares
        if conditions & NO_PRICE:
            return bool(shares)
        order = (at << _SEQUENCE_BITS) + event.sequence % (1 << _SEQUENCE_BITS)
        if bar.events == 0:
            bar.begin(event.price, event.price, event.price)
            bar.close = event.price
        bar.events += 1
        bar.trade_at(event.price, event.price)
        if conditions & NO_CLOSE:
            return True
        if order < bar.first or bar.first < 0:
            bar.first, bar.open = order, event.price
        if order > bar.closing:
            bar.closing, bar.close, bar.at = order, event.price, at
        return True

    @staticmethod
    def _remember(bar: Bar, identity: str, at: int) -> None:
        """Remember a trade, and now and then forget those that are older than the window."""
        bar.ids[identity] = at
        if at < bar.last:
            bar.late += 1
        bar.last = max(bar.last, at)
        if len(bar.ids) % 4096 == 0:
            bar.ids = {one: time for one, time in bar.ids.items() if bar.last - time <= WINDOW}
