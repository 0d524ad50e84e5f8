"""The command line in a process whose clock began at another time, as of the session that a test generates."""

from __future__ import annotations

import sys
from collections.abc import Sequence

MAIN = """
import sys, time_machine
from stockstream.analytics.cli import main
with time_machine.travel(float(sys.argv.pop(1)), tick=True):
    main()
"""


def command_at(milliseconds: int, arguments: Sequence[str]) -> list[str]:
    """Return the command line of `stockstream` with arguments, in a process that starts at a time."""
    return [sys.executable, "-c", MAIN, str(milliseconds / 1000), *arguments]
