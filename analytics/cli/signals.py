"""Signals: every command ends with one line, without a traceback, and removes its temporary files."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from stockstream.analytics.cli.endings import print_line
from stockstream.analytics.cli.temporary import delete_folder, process_folder
from stockstream.sql.errors import ExitCode

SIGNALS = {
    signal.SIGHUP: (ExitCode.HANGUP, "the terminal was closed"),
    signal.SIGINT: (ExitCode.INTERRUPTED, "interrupted"),
    signal.SIGTERM: (ExitCode.TERMINATED, "terminated"),
}
"""Exit code and message per signal."""
Handler = Callable[[int, FrameType | None], object]


class Stopped(BaseException):
    """A signal ends the command. Not an Exception, so that no step takes it for its own failure."""


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """End the process with one line and the code of the signal, whatever error the signal causes in the command.

    All temporary files of the process are in one folder, which is removed at its end. A second signal ends the process
    at once. A signal that was ignored at the start, as `nohup` does, stays ignored.
    """
    received: list[signal.Signals] = []

    def stop(number: int, _: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        raise Stopped

    with _temporary_folder(), handlers(stop):
        try:
            yield
        except BaseException:
            if not received:
                raise
            # DuckDB raises a RuntimeError for the exception of the handler, so that the kind of the error says nothing.
            code, message = SIGNALS[received[0]]
            print_line(message)
            sys.exit(code)


@contextmanager
def stopping_at_once(message: str, clean_up: Callable[[], None]) -> Iterator[None]:
    """On a signal, print its name and a message, and end the process even while threads wait for a network."""

    def stop(number: int, _: FrameType | None) -> None:
        clean_up()
        code, name = SIGNALS[signal.Signals(number)]
        print_line(f"{name}: {message}")
        delete_folder(process_folder())
        os._exit(code)

    with handlers(stop):
        yield


@contextmanager
def handlers(handler: Handler) -> Iterator[None]:
    """Handle the signals that are not ignored; afterwards as before."""
    before = {each: signal.getsignal(each) for each in SIGNALS}
    is_main = threading.current_thread() is threading.main_thread()  # others cannot handle signals
    active = [each for each in SIGNALS if is_main and before[each] is not signal.SIG_IGN]
    for each in active:
        signal.signal(each, handler)
    try:
        yield
    finally:
        for each in active:
            signal.signal(each, before[each])


@contextmanager
def _temporary_folder() -> Iterator[None]:
    """Create all temporary files in the folder of this process."""
    before = tempfile.tempdir
    tempfile.tempdir = str(process_folder())
    try:
        yield
    finally:
        tempfile.tempdir = before
