"""The steps of a run, one module each: `run(event, lake, …)` takes a small JSON event and returns a small JSON result.

Their order, events and results are defined in `pipeline/events`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from stockstream.pipeline.events import REFRESHES, Event, Result
from stockstream.pipeline.lake import Lake


def load_step(name: str) -> Callable[[Event, Lake], Result]:
    """Import the module of a step that refreshes, checks or reports silver; return its `run`.

    Raises:
        KeyError: There is no such step.
    """
    package = {step.name: step.package for step in REFRESHES}[name]
    run: Callable[[Event, Lake], Result] = import_module(f"stockstream.{package}.{name}").run
    return run
