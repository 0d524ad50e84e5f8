"""The steps of a run, one module each: `run(event, lake, …)` takes a small JSON event and returns a small JSON result.

Their order, events and results are defined in `pipeline/events`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from stockstream.pipeline.events import REFRESHES, Event, Result
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import Market


def load_step(name: str) -> Callable[[Event, Lake, Market], Result]:
    """Import the module of a step that refreshes silver; return its `run` as a function of event, lake and market.

    Raises:
        KeyError: There is no such step.
    """
    arguments = {step.name: step.arguments for step in REFRESHES}[name]
    run = step_function(name)
    return lambda event, lake, market: run(event, lake, *arguments(market))


def step_function(name: str) -> Callable[..., Result]:
    """Import the module of a step and return its `run`."""
    run: Callable[..., Result] = import_module(f"stockstream.pipeline.steps.{name}").run
    return run
