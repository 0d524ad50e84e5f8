"""Page tokens: the last row of a page (symbol, date) and its generation, so that pages repeat and omit no row."""

from __future__ import annotations

import base64
import binascii
from datetime import date
from typing import NamedTuple

import msgspec

from stockstream.analytics.serving.problems import Problem


class Place(NamedTuple):
    """The last row of a page, and the generation from which the next page must be, too."""

    symbol: str
    date: date
    generation: int


def token_of(place: Place) -> str:
    """Return the text of a place, for the parameter `page_token`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(token: str) -> Place:
    """Return the place of a token.

    Raises:
        Problem: it is none (422).
    """
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        return msgspec.json.decode(text, type=Place)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
        raise Problem(422, "page_token: this is none: use the next_page_token of an answer as it is") from None
