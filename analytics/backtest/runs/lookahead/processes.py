"""Run functions in processes of their own, which have imported this package, but no strategy and no lake.

A server is started once; it forks one process per request, which costs a hundredth of a new Python.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import cloudpickle

from stockstream.sql.catalogue import catalogue
from stockstream.sql.errors import StockStreamError, UsageError
from stockstream.sql.loader import load, macros, rules, views
from stockstream.sql.session.catalogue_file import usable_file

SERVER = f"from {__name__} import serve; serve()"
IMPORTS = ("tasks", "copies")
"""The modules of this package that the server imports, so that no process does."""
LATER = (
    "numpy.ma", "pyarrow.compute", "sqlglot.dialects.duckdb", "sqlglot.generators.duckdb", "sqlglot.parsers.duckdb",
    "sqlglot.transforms", "stockstream.pipeline.store.folder",
)  # fmt: skip
"""Modules that a run imports when it needs them."""
LOG_END = 2000
"""Characters of a process's log that an error shows."""


class ProcessFailed(StockStreamError):
    """A process ended without an answer."""


class Server:
    """A process that runs requests, each in a fork of itself."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._numbers = iter(range(1, sys.maxsize))
        self._lock = Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {SERVER}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C ends this process, which ends the server
        )

    def run(self, function: Any, *arguments: Any) -> Any:
        """Call a function of a module of this package in a new process; return its answer, which JSON can have.

        Raises:
            ProcessFailed: the process ended without an answer.
        """
        with self._lock:
            answer = self._folder / f"answer-{next(self._numbers)}.json"
            status = self._request(function, arguments, answer)
        return _answer(answer, status)

    def prepare(self, columns: Sequence[str]) -> None:
        """Parse the shipped indicators among some columns in the server, so that none of its processes does."""
        with self._lock:
            self._request(parse_indicators, (list(columns),), None)

    def _request(self, function: Any, arguments: Sequence[Any], answer: Path | None) -> int | None:
        """Send a request, and return the exit code of its process; None if the server has ended."""
        request = _pickled((function, arguments, answer))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(len(request).to_bytes(8, "big") + request)
            self._process.stdin.flush()
            status = self._process.stdout.readline()
        except BrokenPipeError:
            status = b""
        return int(status) if status.strip() else None

    def close(self) -> None:
        """End the server and its processes."""
        if self._process.returncode is not None:
            return  # it has ended, and another process may have its number
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _pickled(request: Any) -> bytes:
    """Return a request as bytes, also with a class that no other process can import.

    Raises:
        UsageError: the class uses something that only this process has, such as a connection.
    """
    try:
        return bytes(cloudpickle.dumps(request))
    except (TypeError, AttributeError, ValueError, pickle.PicklingError) as error:
        raise UsageError(
            f"the strategy uses something that only this process has ({error}): write the class to a file, "
            "and check it as my.py:MyStrategy"
        ) from None


def serve() -> None:
    """Run the requests that arrive on standard input, until it is closed."""
    for name in (*(f"{__package__}.{module}" for module in IMPORTS), *LATER):
        import_module(name)
    usable_file()
    catalogue()
    for name in (*rules(), *views(), *macros()):
        load(name)
    requests, statuses = sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    for request in _requests(requests):
        function, arguments, answer = pickle.loads(request)
        if answer is None:
            status = function(*arguments)
        else:
            status = _forked(function, arguments, answer, closes=(requests, statuses))
        statuses.write(f"{status}\n".encode())


def parse_indicators(columns: Sequence[str]) -> int:
    """Parse the shipped indicators among some columns, which stay in memory; return the exit code 0.

    What is no shipped indicator, such as a column of bars, is left to the run.
    """
    from stockstream.sql.compiler import parse
    from stockstream.sql.compiler.writer import filters_of

    shipped = []
    for text in columns:
        with contextlib.suppress(StockStreamError):
            shipped += parse([text], catalogue())
    filters_of(shipped)
    return 0


def _requests(stream: BinaryIO) -> Iterator[bytes]:
    while size := stream.read(8):
        yield stream.read(int.from_bytes(size, "big"))


def _forked(function: Any, arguments: Sequence[Any], answer: Path, closes: Sequence[Any] = ()) -> int:
    """Run a function in a fork, which writes the answer to a file; return the exit code (negative: a signal)."""
    sys.stdout.flush()
    sys.stderr.flush()
    if process := os.fork():
        try:
            return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            raise
    code = 1
    try:
        for stream in closes:
            os.close(stream.fileno())
        log = os.open(answer.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream_number in (1, 2):  # what a strategy prints appears once, in the backtest itself
            os.dup2(log, stream_number)
        result = function(*arguments)
        answer.write_text(json.dumps(result))
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _answer(path: Path, status: int | None) -> Any:
    if status == 0:
        return json.loads(path.read_text())
    log = path.with_suffix(".log")
    text = log.read_text(errors="replace").strip()[-LOG_END:] if log.exists() else ""
    end = "the server has ended" if status is None else f"signal {-status}" if status < 0 else f"exit code {status}"
    raise ProcessFailed(f"a process of the check ended without an answer ({end}): {text or 'it printed nothing'}")
