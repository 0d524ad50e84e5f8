"""Records of a stream: the events of one symbol, packed into one frame, with the text that the vendor has sent."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from stockstream.pipeline.live.events import Day, Minute, Second, Status, Trade, decode

_texts = msgspec.json.Decoder(list[msgspec.Raw])
_event = msgspec.json.Decoder(Second | Minute | Trade | Day | Status)
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def parts(frame: bytes, faults: Counter[str]) -> list[tuple[Any, bytes]]:
    """Return the events of a frame, each with its text: the vendor's own, or that of a `Day` for Yahoo's message.

    What cannot be read is an entry, too: the reason in place of the event, which `faults` counts.
    """
    try:
        texts = [bytes(text) for text in _texts.decode(frame)]
    except _FAULTS:
        events, reasons = _decoded(frame, faults)
        return [(event, msgspec.json.encode(event)) for event in events] + [(reason, frame) for reason in reasons]
    entries: list[tuple[Any, bytes]] = []
    for text in texts:
        try:
            entries.append((_event.decode(text), text))
        except _FAULTS:
            events, reasons = _decoded(b"[" + text + b"]", faults)
            entries += [(one, text) for one in (*events, *reasons)]
    return entries


def packed(texts: list[bytes]) -> bytes:
    """Return the frame of some events."""
    return b"[" + b",".join(texts) + b"]"


def _decoded(frame: bytes, faults: Counter[str]) -> tuple[list[Any], Counter[str]]:
    """Return the events of a frame, and why the others are none."""
    reasons: Counter[str] = Counter()
    try:
        events = decode(frame, reasons)
    except ImportError:  # on Lambda, Yahoo's messages cannot be read: the producer puts them as `Day`
        events, reasons = [], Counter({"unknown type": 1})
    faults += reasons
    return events, reasons
