"""The end of a command: an exit code and at most one line on standard error, whatever happened."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from stockstream.sql.errors import ExitCode, StockStreamError
from stockstream.sql.extras import missing_package
from stockstream.sql.text import one_line, printable


def print_line(text: str) -> None:
    """Print a message on standard error, without control characters; nothing if it cannot be written."""
    with suppress(OSError, ValueError):
        print(printable(text), file=sys.stderr, flush=True)


@contextmanager
def ending_in_one_line() -> Iterator[None]:
    """End the process with one line for any error; an error of writing to standard output is one, too.

    With LOG_LEVEL=DEBUG, the log has the traceback of an error that no part of the program expects.
    """
    _open_streams()
    code: object = 0
    message = ""
    try:
        yield
    except SystemExit as end:
        code = end.code
    except StockStreamError as error:
        code, message = error.exit_code, str(error)
    except Exception as error:
        logging.getLogger(__name__).debug("the command failed", exc_info=True)
        code = ExitCode.USAGE if missing_package(error) else ExitCode.FAILED
        message = described(error)
    failure = _flush_output()
    if failure is not None and code in (None, 0, ExitCode.FAILED):
        # No line for a reader that has enough, such as `head`.
        message = "" if isinstance(failure, BrokenPipeError) else described(failure)
        code = ExitCode.FAILED
    if message:
        log_end(logging.ERROR, message)
        print_line(f"error: {message}")
    sys.exit(code)  # type: ignore[arg-type]


def log_end(level: int, text: str) -> None:
    """Add a line to the log file, if the command has one: the module of the logs is imported then."""
    if (logs := sys.modules.get("stockstream.analytics.cli.logs")) is not None:
        logs.log_end(level, text)


def described(error: Exception) -> str:
    """Return what happened in one line: an error of the system with its file, any other error with its kind.

    For a package that is not installed, the line names the extra that has it.
    """
    if (missing := missing_package(error)) is not None:
        return missing
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror + (f": {error.filename}" if error.filename else ""))
    text = one_line(str(error).split("\n\nLINE ")[0])
    if type(error).__module__.startswith(("duckdb", "_duckdb")) and text:
        return text  # it begins with the kind of the error
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _open_streams() -> None:
    """Make the three standard streams usable: none is closed, and a character that a stream lacks is an escape.

    The number of a closed stream would be that of the next file that is opened, such as a file of the lake.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):  # standard output: every write fails
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    sys.stdin = sys.stdin or io.TextIOWrapper(io.BytesIO())
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is sys.__stdout__ and sys.stdout is not None:
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Output(1, "w", closefd=False)),
            encoding=sys.stdout.encoding,
            errors="backslashreplace",
            line_buffering=sys.stdout.line_buffering,
        )


class _Output(io.FileIO):
    """Standard output, whose errors name it as those of a file name the file."""

    def write(self, data: Any) -> int:
        """Write bytes."""
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from None


def _flush_output() -> OSError | None:
    """Write what is still in the buffer of standard output; return the error if that fails."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError, ValueError):  # Python would write it again at its end, and report the error again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    except ValueError:  # closed
        return None
    return None
