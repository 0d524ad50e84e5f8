"""The rows of the endpoints, for the documentation; a test compares them with what is answered."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stockstream.analytics.backtest.stats.figures import FIGURES

Price = Annotated[float, Meta(description="Money per share, in the currency of the listing.")]


class Bar(msgspec.Struct):
    """A daily bar; a number that the source did not have is null."""

    symbol: str
    date: date
    open: Price | None
    high: Price | None
    low: Price | None
    close: Price | None
    volume: Annotated[int, Meta(description="Shares.")] | None


class LongerBar(Bar):
    """A bar of several sessions, a week or a month."""

    first_date: Annotated[date, Meta(description="First day with a bar.")]
    ends_on: Annotated[date, Meta(description="Last session of the interval.")]
    bars: Annotated[int, Meta(description="Daily bars in it.")]
    is_open: Annotated[bool, Meta(description="Whether it still changes.")]


class Signal(msgspec.Struct):
    """A signal of a day."""

    symbol: str
    date: date
    signal: str
    close: Price


class Listing(msgspec.Struct):
    """A company that is listed today."""

    symbol: str
    name: str | None
    sector: str | None
    market_cap: Annotated[float, Meta(description="Money, in the currency of the market.")] | None
    listed_on: Annotated[date, Meta(description="Day of the list.")]


class Period(msgspec.Struct):
    """A period in which a symbol's metadata did not change."""

    symbol: str
    name: str | None
    sector: str | None
    type: str | None
    exchange: str | None
    currency: str | None
    figi: str | None
    listing_date: date | None
    delisting_date: date | None
    renamed_from: str | None
    renamed_to: str | None
    source: str | None
    valid_from: date | None
    valid_to: date | None


class Action(msgspec.Struct):
    """The dividends and the split of a day."""

    symbol: str
    date: date
    dividend: Annotated[float, Meta(description="Money per share.")]
    split_ratio: Annotated[float, Meta(description="New shares per old share.")]
    source: str | None


Backtest = msgspec.defstruct(
    "Backtest",
    [
        ("id", str),
        ("saved_at", Annotated[datetime, Meta(description="When it was saved, UTC.")]),
        ("strategy", str),
        ("params", Annotated[str, Meta(description="The parameters of the strategy, as a JSON object.")]),
        ("symbols", str | None),
        ("start", Annotated[date, Meta(description="First session.")] | None),
        ("end", Annotated[date, Meta(description="Last session.")] | None),
        ("sessions", int),
        ("generation", Annotated[int, Meta(description="The generation of the lake that was read.")] | None),
        ("error", Annotated[str, Meta(description="Why the run ended early.")] | None),
        *((name, Annotated[float, Meta(description=one.label)] | None) for name, one in FIGURES.items()),
    ],
    namespace={"__doc__": "A backtest of the folder with its figures."},
)


class Status(msgspec.Struct):
    """What the served generation has."""

    generation: int
    bars: int
    symbols: int
    first_date: date | None
    last_date: date | None
    pending: int
    looked_at_seconds_ago: float
    fault: str | None


class Health(msgspec.Struct):
    """Whether the newest generation can be read."""

    status: Annotated[str, Meta(description="ok or fault.")]
    generation: int
    live: Annotated[str, Meta(description="What the source of live bars does.")] | msgspec.UnsetType = msgspec.UNSET
    redis: Annotated[str, Meta(description="ok, or why it is not used.")] | msgspec.UnsetType = msgspec.UNSET


class Checks(msgspec.Struct):
    """The findings of the data checks on the served generation."""

    generation: int
    checks: list[dict[str, Any]]


class History(msgspec.Struct):
    """The generations that have not been vacuumed."""

    generations: list[dict[str, Any]]


class ProblemDetails(msgspec.Struct):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    parameter: str | msgspec.UnsetType = msgspec.UNSET


class LiveBar(msgspec.Struct):
    """A live bar: a row of the view `live`."""

    symbol: str
    session: date
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[float, Meta(description="Shares; may have a fraction.")]
    previous_close: Annotated[float, Meta(description="In the shares of the session.")] | None
    split_ratio: Annotated[float, Meta(description="New shares per old share.")]
    change: float | None
    change_percent: float | None
    moving_average: float
    at: Annotated[datetime, Meta(description="UTC time of the newest event.")]
    missed: Annotated[float, Meta(description="Shares that the feed reports and no event had.")] | None
    late: int
    events: int
    source: str
    saved_at: Annotated[datetime, Meta(description="UTC time of this answer.")]


class Ticket(msgspec.Struct):
    """A ticket that opens one stream."""

    ticket: str
    seconds: Annotated[int, Meta(description="Time in which it is good.")]


OTHERS = (ProblemDetails, LiveBar, Ticket)
"""The types that no endpoint or document has as its rows."""
