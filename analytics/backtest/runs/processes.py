"""Runs functions in several processes, on all cores.

The processes are loky's: they import neither a script's main module nor a notebook, and receive classes and functions
that are defined there by value. So a search works in a script without a main guard, in a notebook, and from standard
input.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import PathFinder
from typing import Any

import cloudpickle
from loky import ProcessPoolExecutor, as_completed


def parallel(work: Callable[..., Any], items: Sequence[tuple[Any, ...]], jobs: int | None) -> Iterator[tuple[int, Any]]:
    """Call `work` with the arguments in each item, in processes; yield (item number, result) as they complete.

    Args:
        work: a function.
        items: the arguments per call.
        jobs: number of processes; by default one per core. With one, or one item, no process is started.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(items))
    if jobs <= 1:
        yield from ((number, work(*item)) for number, item in enumerate(items))
        return
    executor, is_complete = ProcessPoolExecutor(jobs), False
    try:
        with _without_interrupts():  # the first submission starts the processes
            calls = [_packed(work, item) for item in items]
            futures = {executor.submit(_call, call): number for number, call in enumerate(calls)}
        for future in as_completed(futures):
            yield futures[future], future.result()
        is_complete = True
    finally:  # after an error or a signal, the other processes must not be waited for
        executor.shutdown(kill_workers=not is_complete)


def _packed(work: Callable[..., Any], item: tuple[Any, ...]) -> bytes:
    """Return a call as bytes; what another process cannot import, such as a strategy's file, is in them by value."""
    modules = {getattr(value, "__module__", "") for value in item if isinstance(value, type) or callable(value)}
    local = [sys.modules[name] for name in modules if name in sys.modules and not _is_importable(name)]
    for module in local:
        cloudpickle.register_pickle_by_value(module)
    try:
        packed: bytes = cloudpickle.dumps((work, item))
        return packed
    finally:
        for module in local:
            cloudpickle.unregister_pickle_by_value(module)


def _is_importable(name: str) -> bool:
    """Return whether another process can import a module; cloudpickle itself sees to `__main__`."""
    return name == "__main__" or "." in name or PathFinder.find_spec(name) is not None


def _call(packed: bytes) -> Any:
    work, item = cloudpickle.loads(packed)
    return work(*item)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, which a terminal sends to all: this process ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
