"""The interface of a source of live events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.live.events import Day, Event
from stockstream.pipeline.live.fold import Session
from stockstream.pipeline.live.yahoo_day import YahooDays
from stockstream.pipeline.markets import Market

MARK = b'[{"ev":"status","status":"mark",'
"""The beginning of a frame that says how far a log has been read; its message has a part of the log, and a position."""


@dataclass(frozen=True)
class Plan:
    """What a source is to deliver."""

    market: Market
    session: Session | None
    """None for a recording, whose first event decides."""
    symbols: Sequence[str] = ()
    """The symbols; none: all that the source has."""
    channel: str = "A"
    """Polygon's channel: A (seconds), AM (minutes) or T (trades)."""
    speed: float = 0.0
    """Of a replay: seconds of the recording per second; 0: without waiting."""


@dataclass
class Feed(ABC):
    """A source: it delivers frames as the vendor sends them, and reconnects by itself."""

    name: ClassVar[str]
    has_lease: ClassVar[bool] = False
    """Whether the vendor allows one connection only."""
    has_all: ClassVar[bool] = False
    """Whether the source sends all symbols of the market if none is named."""
    is_replay: ClassVar[bool] = False
    """Whether the events are recorded: their own times are the clock, and the source can continue at a frame."""
    is_log: ClassVar[bool] = False
    """Whether the source keeps its events, so that a session may be read after its end, and it continues at marks."""

    kind: ClassVar[type[Event] | None] = None
    """The type of the events that become bars; None: that of the first one."""
    has_repair: ClassVar[bool] = False
    """Whether `day_events` is implemented."""
    repair_delay: ClassVar[float] = 15.0
    """Seconds by which the REST API may lag behind the feed."""
    repair_pause: ClassVar[float] = 120.0
    """Seconds before a bar is tried again."""

    plan: Plan
    stats: Counter[str] = field(default_factory=Counter)
    """Numbers for the status of the stream: connections, reconnects after silence, and so on."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Texts for the status of the stream, such as the last failure."""
    marks: dict[str, str] = field(default_factory=dict)
    """Of a log: per part, the position up to which its frames are folded."""

    @classmethod
    @abstractmethod
    def open(cls, argument: str, plan: Plan) -> Self:
        """Return the source; `argument` is what stands behind its name and a colon.

        Raises:
            UsageError: a setting is missing, or the argument is wrong.
        """

    @abstractmethod
    def frames(self, skip: int = 0) -> AsyncIterator[bytes]:
        """Yield frames until the source ends, which only a replay does. A replay leaves out the first `skip` frames.

        Raises:
            SourceError: the source refuses the key, or another failure that no attempt will mend.
        """

    def day_events(self, symbol: str) -> list[Any]:
        """Return the day's aggregates of a symbol from the REST API, of the kind of the feed.

        Raises:
            SourceError: the API has no answer.
        """
        raise SourceError(f"{self.name} cannot repair bars")

    def day_so_far(self, symbol: str) -> Day | None:
        """Return the day of a symbol by another source, where `day_events` has no answer; None if there is none.

        Raises:
            SourceError: the other source has no answer either.
        """
        return None

    def splits(self) -> Mapping[str, float]:
        """Return the splits of the session by symbol, as far as the source can list them before the first event."""
        return {}


def yahoo_days(plan: Plan) -> YahooDays:
    """Return the requests for days at Yahoo, with the settings of the source of bars `yahoo`."""
    from stockstream.pipeline.sources.yahoo import YahooSettings  # imports yfinance, which takes a second

    values = YahooSettings.read()
    return YahooDays(plan.market, plan.session, values.pause, values.url)
