"""Validation of events: a Lambda function takes what its event's type allows, and stores nothing otherwise."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import is_typeddict

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.events.fields import StepEvent
from stockstream.pipeline.events.steps import Event
from stockstream.sql.errors import did_you_mean

MAX_ERRORS = 3
"""In one message."""


def event_type(function: Any) -> Any:
    """Return the type of a function's parameter `event`; `StepEvent` if it is declared as any event, or not at all."""
    # Only of this parameter: the types of others may be imported for the type checker alone.
    parameter = SimpleNamespace(__annotations__={"event": function.__annotations__.get("event", Event)})
    declared = get_type_hints(parameter, function.__globals__, include_extras=True)["event"]
    return StepEvent if declared == Event else declared


def checked_event(event: Any, kind: Any) -> Any:
    """Return an event of a type, a TypedDict, with symbols in the form in which they are stored.

    Raises:
        UsageError: a key or a value is not allowed; the message is one line with each key and what is allowed.
    """
    try:
        return _adapter(kind).validate_python(event)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        more = f"; and {len(errors) - MAX_ERRORS} more" if len(errors) > MAX_ERRORS else ""
        raise UsageError("; ".join(_line(one, kind) for one in errors[:MAX_ERRORS]) + more) from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _line(error: ErrorDetails, kind: Any) -> str:
    *place, last = error["loc"] or ("",)
    key = ".".join(map(_printable, error["loc"]))
    if error["type"] == "extra_forbidden":
        keys = _keys(kind, place)
        return f"the event has no key {key}: there are {', '.join(keys)}{did_you_mean(str(last), keys)}"
    if error["type"] == "missing":
        return f"the event lacks the key {key}"
    allowed = error["msg"][:1].lower() + error["msg"][1:]
    return f"the event's {key or 'contents'} cannot be {reprlib.repr(error['input'])}: {allowed}"


def _keys(kind: Any, place: Sequence[str | int]) -> list[str]:
    """Return the keys of the dictionary at a place in an event."""
    for name in place:
        kind = get_type_hints(_dictionary(kind))[str(name)]
    return sorted(get_type_hints(_dictionary(kind)))


def _dictionary(kind: Any) -> Any:
    """Return the TypedDict in a type such as `Annotated[RunOptions, …] | None`."""
    return kind if is_typeddict(kind) else next(filter(None, map(_dictionary, get_args(kind))), None)


def _printable(part: str | int) -> str:
    text = str(part)
    return text if text.isprintable() and len(text) <= 32 else reprlib.repr(text)
