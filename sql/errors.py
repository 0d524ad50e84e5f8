"""Errors that a person can act on. Each says what happened, where, and what to do; the CLI prints it as one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StockStreamError(Exception):
    """Anything that ends a command with a message and no traceback."""

    exit_code = 1


class UsageError(StockStreamError):
    """A wrong option, setting or argument: nothing was started."""

    exit_code = 2


class LakeError(StockStreamError):
    """The lake cannot be reached, read or written."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return `; did you mean X or Y?` with the names that are nearest to a mistyped one, or an empty string."""
    by_lower_case = {other.lower(): other for other in names}
    near = [by_lower_case[lower] for lower in difflib.get_close_matches(name.lower(), by_lower_case, 3)]
    return f"; did you mean {' or '.join(near)}?" if near else ""
