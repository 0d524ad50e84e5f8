"""What a caller may subscribe to, and who it is; the same for all kinds of streams."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Scope

from stockstream.analytics.serving.keys import ANYBODY
from stockstream.analytics.serving.live.board import Board
from stockstream.analytics.serving.parameters import symbols_of
from stockstream.analytics.serving.problems import Problem

MAX_SYMBOLS = 500
"""Symbols of a stream."""
Stored = Callable[[], frozenset[str]]
"""Returns the symbols of the generation that is served."""


def listened(board: Board, stored: frozenset[str], text: str | None) -> tuple[str, ...]:
    """Return the symbols of a list, as the lake or the stream writes them; none for no list.

    Raises:
        Problem: a text is no symbol, or there are too many (422), or neither the lake nor the stream knows one (404).
    """
    symbols = symbols_of(text, stored | board.hub.symbols)
    check_number(len(symbols))
    return symbols


def check_number(symbols: int) -> None:
    """Check the number of symbols of a stream.

    Raises:
        Problem: there are too many (422).
    """
    if symbols > MAX_SYMBOLS:
        reason = f"symbols: there are {symbols}, and a stream has at most {MAX_SYMBOLS}; /v1/live has all"
        raise Problem(422, reason, parameter="symbols")


def caller_of(scope: Scope) -> str:
    """Return who has opened a stream: the name of the key; on a server without keys, the address of the client."""
    key = scope["state"]["key"]
    return scope["client"][0] if key is ANYBODY and scope.get("client") else str(key.name)
