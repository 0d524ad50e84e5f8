"""Processes of runs: started in a group of their own, with limits, and ended as a group.

The server keeps their standard input open, so that they end when it is killed. What a strategy prints arrives on
another pipe than the reports, and its last characters are kept.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

MODULE = "stockstream.analytics.serving.backtests.child"
MAX_LINE = 1_000_000
MAX_PRINTED = 4_000
"""Characters of what a strategy printed that are kept: the last ones."""
GRACE_SECONDS = 0.2
"""Longest wait between two looks at the clock and at a cancellation."""


@dataclass(frozen=True)
class Limits:
    """What a process may use."""

    seconds: int
    megabytes: int


@dataclass
class Ended:
    """How a process ended."""

    code: int
    is_late: bool
    is_cancelled: bool
    printed: str
    """The end of what it printed."""
    printed_bytes: int


def follow(
    order: dict[str, Any],
    limits: Limits,
    on_message: Callable[[dict[str, Any]], None],
    cancelled: threading.Event | None = None,
) -> Ended:
    """Start a process with an order, pass on its reports, and return when it has ended.

    Its group is killed when it exceeds its time, is cancelled, or has ended itself.
    """
    reading, writing = os.pipe()
    command = [sys.executable, "-P", "-m", MODULE, str(writing)]
    with os.fdopen(reading, "rb", buffering=0) as reports:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        assert process.stdin is not None
        assert process.stdout is not None
        late = cancel = False
        with suppress(OSError):  # if it has ended already, its code is the reason
            process.stdin.write(json.dumps(order | {"limits": asdict(limits)}).encode() + b"\n")
            process.stdin.flush()
        try:
            printed = _Printed()
            deadline = time.monotonic() + limits.seconds
            with selectors.DefaultSelector() as selector:
                selector.register(reports, selectors.EVENT_READ, _Lines(on_message).add)
                selector.register(process.stdout, selectors.EVENT_READ, printed.add)
                while process.poll() is None and not late and not cancel:
                    for key, _ in selector.select(GRACE_SECONDS):
                        if data := os.read(key.fd, 65_536):
                            key.data(data)
                        else:
                            selector.unregister(key.fileobj)
                    if not selector.get_map():
                        time.sleep(GRACE_SECONDS / 10)
                    late = time.monotonic() > deadline
                    cancel = cancelled is not None and cancelled.is_set()
                _kill(process)
                for key in list(selector.get_map().values()):
                    os.set_blocking(key.fd, False)
                    while data := _available(key.fd):
                        key.data(data)
            return Ended(process.wait(), late, cancel, printed.text, printed.size)
        finally:
            _kill(process)
            with suppress(OSError):
                process.stdin.close()
            process.stdout.close()
            process.wait()


def ask(order: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Return the last report of a process; `error` if there is none."""
    reported: dict[str, Any] = {}
    ended = follow(order, limits, reported.update)
    return reported or {"error": why(ended, limits)}


def why(ended: Ended, limits: Limits) -> str:
    """Return why a process ended without a result."""
    if ended.is_late:
        return f"it took longer than {limits.seconds} s"
    if ended.code == -signal.SIGXCPU:
        return f"it took more CPU time than {limits.seconds} s on all cores"
    if ended.code < 0:
        return f"its process was ended by the signal {signal.Signals(-ended.code).name}"
    return f"its process ended with the code {ended.code} before there was a result"


class _Lines:
    """Splits reports into lines; one that is no report, as a strategy could write, is left out."""

    def __init__(self, on_message: Callable[[dict[str, Any]], None]) -> None:
        self._on_message, self._rest = on_message, b""

    def add(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-MAX_LINE:]
        for line in lines:
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(message, dict):
                self._on_message(message)


class _Printed:
    """The end of what a process prints."""

    def __init__(self) -> None:
        self._data, self.size = b"", 0

    def add(self, data: bytes) -> None:
        self._data, self.size = (self._data + data)[-MAX_PRINTED:], self.size + len(data)

    @property
    def text(self) -> str:
        return self._data.decode(errors="replace")


def _available(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        return b""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the group of a process: also what it has started, if it has ended itself."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
