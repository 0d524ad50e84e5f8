"""The Lambda functions of the steps that need only an event and the lake: one handler per step, named as the step.

`stockstream.pipeline.handlers.steps.refresh` is the handler of the step `refresh`. A function's package
contains its own step only, so a handler imports its step when Lambda asks for it.
"""

from __future__ import annotations

from stockstream.pipeline.events import REFRESHES, Event, Result
from stockstream.pipeline.events.validation import event_type
from stockstream.pipeline.handlers.runtime import Handler, Invocation, lambda_handler
from stockstream.pipeline.steps import load_step


def __getattr__(name: str) -> Handler:
    """Return the handler of the step called `name`. Event and result are the step's, see `pipeline/events`.

    Raises:
        AttributeError: There is no such step.
    """
    if name not in {step.name for step in REFRESHES}:
        raise AttributeError(name)
    run = load_step(name)

    def handler(event: Event, invocation: Invocation) -> Result:
        return run(event, invocation.lake)

    return lambda_handler(handler, event_type(run))
