"""Events of a feed: their types, and the decoding of a frame as the vendor sends it.

The types have the names of this project; the vendor's names are their names in JSON, so that a frame is decoded
straight into them. An event that cannot be decoded is counted by reason, and does not stop the others of its frame.

References: Polygon's WebSocket specification (channels A, AM and T of the stocks cluster); Yahoo's `PricingData`, the
Protocol Buffers message that its streamer sends in base64.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from typing import Any

import msgspec

Number = int | float


class Event(msgspec.Struct, tag_field="ev", gc=False):
    """Base class of the types of events."""


class Aggregate(Event, gc=False):
    """Prices and volume of a second or a minute of one symbol."""

    symbol: str = msgspec.field(name="sym")
    volume: Number = msgspec.field(name="v")
    open: float = msgspec.field(name="o")
    high: float = msgspec.field(name="h")
    low: float = msgspec.field(name="l")
    close: float = msgspec.field(name="c")
    at: int = msgspec.field(name="s")
    """The start in milliseconds since 1970, UTC."""
    total: Number | None = msgspec.field(name="av", default=None)
    """The day's volume so far, with that before the session; None if the vendor does not send it."""
    day_open: float = msgspec.field(name="op", default=0.0)
    """The official open of the session; 0 before there is one."""


class Second(Aggregate, tag="A", gc=False):
    """Aggregate of a second."""


class Minute(Aggregate, tag="AM", gc=False):
    """Aggregate of a minute."""


class Trade(Event, tag="T", gc=False):
    """One trade."""

    symbol: str = msgspec.field(name="sym")
    price: float = msgspec.field(name="p")
    size: Number = msgspec.field(name="s")
    at: int = msgspec.field(name="t")
    """Milliseconds since 1970, UTC."""
    id: str | int = msgspec.field(name="i", default="")
    exchange: int = msgspec.field(name="x", default=0)
    sequence: int = msgspec.field(name="q", default=0)
    conditions: list[int] = msgspec.field(name="c", default_factory=list)


class Day(Event, tag="D", gc=False):
    """The day of a symbol so far, as Yahoo reports it; 0 stands for a value that the message does not have."""

    symbol: str = msgspec.field(name="sym")
    price: float = msgspec.field(name="p")
    at: int = msgspec.field(name="t")
    """Time of the price in milliseconds since 1970, UTC."""
    open: float = msgspec.field(name="o", default=0.0)
    high: float = msgspec.field(name="h", default=0.0)
    low: float = msgspec.field(name="l", default=0.0)
    volume: Number = msgspec.field(name="v", default=0)
    previous_close: float = msgspec.field(name="pc", default=0.0)
    """Of the session before, in the shares of this one."""
    is_regular: bool = msgspec.field(name="r", default=True)
    """Whether the price is one of the session, not of the hours before or after it."""


class Status(Event, tag="status", gc=False):
    """A message of the vendor about the connection."""

    status: str
    message: str = ""


KINDS: dict[str, type[Event]] = {"A": Second, "AM": Minute, "T": Trade, "D": Day}
"""The types that become bars, by their name in a frame."""

_frame = msgspec.json.Decoder(list[Second | Minute | Trade | Day | Status])
_part = msgspec.json.Decoder(Second | Minute | Trade | Day | Status)
_REGULAR = 1
"""Yahoo's number of the market's regular hours."""


def decode(frame: bytes, faults: Counter[str]) -> list[Any]:
    """Return the events of a frame: a JSON array of Polygon's, or Yahoo's object with a message in base64.

    What cannot be read is counted in `faults` by reason: malformed, unknown type, malformed event.
    """
    try:
        return _frame.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # This decoder also reads NaN, so that one number that is none does not cost the other events of the frame.
        content = json.loads(frame)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return _yahoo(content, faults)
    if isinstance(content, list):
        return [event for part in content if (event := _single(part, faults)) is not None]
    faults["malformed frame"] += 1
    return []


def _single(part: Any, faults: Counter[str]) -> Any:
    """Return the event of one element of an array; None, and a count, if it is none."""
    try:
        return _part.decode(json.dumps(part))
    except (msgspec.DecodeError, RecursionError):
        kind = part.get("ev") if isinstance(part, dict) else None
        faults["unknown type" if isinstance(kind, str) and kind not in KINDS else "malformed event"] += 1
        return None


def _yahoo(content: dict[str, Any], faults: Counter[str]) -> list[Any]:
    """Return the event of a frame of Yahoo's streamer: {"type": "pricing", "message": base64}."""
    if content.get("type") != "pricing":
        faults["unknown type"] += 1
        return []
    from google.protobuf.message import DecodeError
    from yfinance.pricing_pb2 import PricingData

    try:
        data = PricingData.FromString(base64.b64decode(content["message"], validate=True))
    except (KeyError, TypeError, ValueError, binascii.Error, DecodeError):
        faults["malformed event"] += 1
        return []
    digits = data.price_hint or 4

    def price(value: float) -> float:
        # The message has prices of 32 bits, whose digits after those of the price's own mean nothing.
        return round(value, digits)

    return [
        Day(
            symbol=data.id,
            price=price(data.price),
            at=data.time,
            open=price(data.open_price),
            high=price(data.day_high),
            low=price(data.day_low),
            volume=data.day_volume,
            previous_close=price(data.previous_close),
            is_regular=data.market_hours == _REGULAR,
        )
    ]
