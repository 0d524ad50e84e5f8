"""The Lambda functions of the steps that need only an event and the lake: one handler per step, named as the step.

`stockstream.pipeline.handlers.steps.refresh` is the handler of the step `refresh`. A function's package
contains its own step only, so a handler imports its step when Lambda asks for it.
"""

from __future__ import annotations

import json
from typing import Any

from stockstream.pipeline.events import REFRESHES, Event, Result
from stockstream.pipeline.events.validation import event_type
from stockstream.pipeline.handlers.runtime import MAX_ERROR_CHARACTERS, Handler, Invocation, lambda_handler, logger
from stockstream.pipeline.steps import load_step

MAX_LISTED = 50
"""Texts of a list that the state machine hands on, such as the names of damaged files; all are in the log."""


def __getattr__(name: str) -> Handler:
    """Return the handler of the step called `name`. Event and result are the step's, see `pipeline/events`.

    Raises:
        AttributeError: There is no such step.
    """
    if name not in {step.name for step in REFRESHES}:
        raise AttributeError(name)
    run = load_step(name)

    def handler(event: Event, invocation: Invocation) -> Result:
        result = run(event, invocation.lake)
        short: Result = shortened(result)
        if short != result:
            logger.warning("the result is shortened for the state machine; all of it: %s", json.dumps(result))
        return short

    return lambda_handler(handler, event_type(run))


def shortened(value: Any) -> Any:
    """Return a result without the ends of long texts and lists of texts: an execution's state is at most 256 KB."""
    if isinstance(value, str):
        return value[:MAX_ERROR_CHARACTERS]
    if isinstance(value, dict):
        return {name: shortened(one) for name, one in value.items()}
    if isinstance(value, list):
        more = len(value) - MAX_LISTED
        if more > 0 and all(isinstance(one, str) for one in value):
            return [*map(shortened, value[:MAX_LISTED]), f"and {more} more: the log of the function has all"]
        return [shortened(one) for one in value]
    return value
