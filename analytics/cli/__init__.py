"""The command line: `stockstream COMMAND`. Every command has the same options, messages and exit codes.

A command is a module in `commands/`, which is discovered automatically: see `registry.command`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stockstream.analytics.cli.endings import ending_in_one_line
from stockstream.analytics.cli.signals import stopping_on_signals

if TYPE_CHECKING:
    from stockstream.analytics.cli.application import app

__all__ = ["app", "main"]


def main() -> None:
    """Run a command; whatever ends it, exit with a code of the table in README.md and at most one line about it."""
    with ending_in_one_line(), stopping_on_signals():
        from stockstream.analytics.cli.application import run  # takes a while, in which a signal may arrive

        run()


def __getattr__(name: str) -> Any:
    if name == "app":
        from stockstream.analytics.cli.application import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
