"""Python's cyclic garbage collector during a run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unburdened_collector() -> Iterator[None]:
    """Let the collector pass over all objects that exist already.

    A run keeps its orders, fills and trades to the end. The collector would visit them, and everything that has been
    imported, again and again: a third of the time of an order. What is created inside is collected as usual. If the
    process has frozen objects itself, as before a fork, nothing is changed.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
