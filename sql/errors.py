"""Errors that a person can act on. Each says what happened, where, and what to do; the CLI prints it as one line."""


class StockStreamError(Exception):
    """Anything that ends a command with a message and no traceback."""

    exit_code = 1


class UsageError(StockStreamError):
    """A wrong option, setting or argument: nothing was started."""

    exit_code = 2


class LakeError(StockStreamError):
    """The lake cannot be reached, read or written."""
