"""Errors that users can act on: a message says what happened, where, and what to do. The CLI prints it as one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command, each with its meaning. README.md has the same table, which a test compares."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        """Create a member from its number and its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    COMPLETE = 0, "complete: all that the command was to do"
    FAILED = 1, "failed, or bad rows"
    USAGE = 2, "wrong usage, no lake, or an unknown name"
    PARTIAL = 3, "complete but for what is named: symbols missing, cells or files not read"
    NOT_CHECKED = 4, "a check could not be run"
    HANGUP = 129, "the terminal was closed (SIGHUP)"
    INTERRUPTED = 130, "interrupted (SIGINT, Ctrl-C)"
    TERMINATED = 143, "terminated (SIGTERM)"


class LakeWarning(UserWarning):
    """A file of the lake cannot be read; the views return the rest."""


class StockStreamError(Exception):
    """Base class of the errors that end a command with a message instead of a traceback."""

    exit_code = ExitCode.FAILED
    """Exit code of the command."""


class UsageError(StockStreamError):
    """An option, setting or argument is invalid."""

    exit_code = ExitCode.USAGE


class ArgumentError(UsageError, ValueError):
    """An argument of the Python interface is invalid; the message starts with its name."""


class LakeError(StockStreamError):
    """The lake cannot be reached, read or written."""


class NoLake(LakeError, UsageError):
    """There is no lake at the URI: no such folder or bucket, or nothing of a lake in it."""

    exit_code = ExitCode.USAGE


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return `; did you mean X or Y?` with the names most similar to a mistyped one; an empty string if none is."""
    by_lower_case = {other.lower(): other for other in names}
    similar = [by_lower_case[lower] for lower in difflib.get_close_matches(name.lower(), by_lower_case, 3)]
    return f"; did you mean {' or '.join(similar)}?" if similar else ""
