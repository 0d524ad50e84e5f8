"""The live bar of a symbol: what the session has traded so far, and what the fold must remember about it.

Volumes are whole numbers of millionths of a share: sums do not depend on the order of the events.
"""

from __future__ import annotations

from fractions import Fraction

import msgspec

SCALE = 1_000_000
"""Millionths of a share."""
MAX_PRICE = 1e9
MAX_VOLUME = 1e13
"""Shares; larger numbers, and infinity, are errors."""
MIN_SPLIT = 1.499
MAX_TERM = 4
"""The larger number of a split's ratio may be any, the smaller one at most this."""
SPLIT_TOLERANCE = 0.005


class Bar(msgspec.Struct, gc=False):
    """A live bar; without events in the session (`events` is 0) its prices mean nothing."""

    symbol: str
    previous_close: float | None = None
    """The close of the session before, in the shares of this session."""
    split_ratio: float = 1.0
    """New shares per old share, of a split whose ex-date is this session."""
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    volume: int = 0
    events: int = 0
    """Number of events in the bar."""
    total: int | None = None
    """The day's volume by the newest event; None: the feed does not report it."""
    outside: int = 0
    """Volume of the events before and after the session."""
    late: int = 0
    """Number of events that came after newer ones."""
    day_open: float = 0.0
    """The official open of the session; 0 before there is one."""
    first: int = -1
    """Order of the earliest event in the session."""
    closing: int = -1
    """Order of the newest event in the session, from which the close is."""
    at: int = 0
    """Time of the newest event in the session, in milliseconds."""
    last: int = -1
    """The newest event in units of its kind: a second, a minute, or a millisecond."""
    seen: int = 0
    """Bits of the window: bit n is set if the event n units before `last` is in the bar."""
    ids: dict[str, int] = msgspec.field(default_factory=dict)
    """Trades of the window: their identity and time."""
    position: str = ""
    """Position in the journal of the last record whose events of this symbol are in the bar."""

    @property
    def missed(self) -> float | None:
        """Shares of the day that the feed reports and no event had; None if the feed does not report them."""
        return None if self.total is None else (self.total - self.outside - self.volume) / SCALE

    @property
    def change(self) -> float | None:
        """The close less the previous close."""
        return None if self.previous_close is None else self.close - self.previous_close

    @property
    def change_percent(self) -> float | None:
        """The change in percent of the previous close."""
        return None if not self.previous_close else 100 * (self.close / self.previous_close - 1)

    @property
    def moving_average(self) -> float:
        """The mean of open, high, low and close."""
        return (self.open + self.high + self.low + self.close) / 4

    def trade_at(self, high: float, low: float) -> None:
        """Let the bar include two prices of the session."""
        if high > self.high:
            self.high = high
        if low < self.low:
            self.low = low

    def begin(self, open: float, high: float, low: float) -> None:
        """Set the prices of the first event in the session."""
        self.open, self.high, self.low = open, high, low

    def open_officially(self, price: float) -> None:
        """Set the official open, which is a price of the session."""
        self.day_open = self.open = price
        self.trade_at(price, price)


def split_between(before: float, after: float) -> float:
    """Return the ratio of the split that makes one previous close of another; 1 if that needs none.

    `before` is the lake's close of the session before, `after` the source's, which includes the split of the day. A
    split is a ratio of small whole numbers of at least 3:2, or at most 2:3, from which the closes differ by less than
    half a percent; smaller ones cannot be distinguished from a correction of the close.
    """
    ratio = before / after
    simple = (
        float(Fraction(ratio).limit_denominator(MAX_TERM))
        if ratio > 1
        else 1 / float(Fraction(1 / ratio).limit_denominator(MAX_TERM))
    )
    is_split = max(ratio, 1 / ratio) >= MIN_SPLIT and abs(ratio / simple - 1) < SPLIT_TOLERANCE
    return simple if is_split else 1.0
