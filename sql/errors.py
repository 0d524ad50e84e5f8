"""Errors that users can act on: a message says what happened, where, and what to do. The CLI prints it as one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StockStreamError(Exception):
    """Base class of the errors that end a command with a message instead of a traceback."""

    exit_code = 1
    """Exit code of the command."""


class UsageError(StockStreamError):
    """An option, setting or argument is invalid."""

    exit_code = 2


class LakeError(StockStreamError):
    """The lake cannot be reached, read or written."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return `; did you mean X or Y?` with the names most similar to a mistyped one; an empty string if none is."""
    by_lower_case = {other.lower(): other for other in names}
    similar = [by_lower_case[lower] for lower in difflib.get_close_matches(name.lower(), by_lower_case, 3)]
    return f"; did you mean {' or '.join(similar)}?" if similar else ""
