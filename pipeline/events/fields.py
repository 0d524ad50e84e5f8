"""The values in events, and which of them are allowed: events come from people and other programs.

They are types of JSON values with the rule of each. `events.validation` applies the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from stockstream.pipeline.lake import name_fault
from stockstream.pipeline.symbols import MAX_LENGTH, canonical, fault

MAX_BATCH = 99_999
MAX_BATCH_SIZE = 10_000
MAX_RUN_NAME = 80
"""Characters of an execution's name, a limit of Step Functions."""

AnyEvent = TypeVar("AnyEvent", bound=Mapping[str, Any])


def _refused(allowed: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{allowed}", {"allowed": allowed})


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _refused("write a day such as 2026-11-20") from None
    if str(day) != text:
        raise _refused(f"write {day}")
    return text


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _refused("write a time such as 2026-11-20T06:00:00Z") from None
    if moment.tzinfo is None:
        raise _refused(f"write its time zone, such as {moment.isoformat()}Z")
    return text


def _run_name(text: str) -> str:
    if reason := name_fault(text):
        raise _refused(f"the name of a run is a part of keys, and this one {reason}")
    return text


def _symbol(name: str) -> str:
    symbol = canonical(name)
    if reason := fault(symbol):
        raise _refused(f"a symbol is 1 to {MAX_LENGTH} printable characters: {reason}")
    return symbol


def in_order(event: AnyEvent) -> AnyEvent:
    """Return an event whose `end` is not before its `start`."""
    start, end = event.get("start"), event.get("end")
    if start and end and end < start:
        raise _refused(f"the end {end} is before the start {start}")
    return event


Day = Annotated[str, AfterValidator(_day)]
"""YYYY-MM-DD."""
Moment = Annotated[str, AfterValidator(_moment)]
"""ISO 8601, with a time zone."""
RunName = Annotated[str, Field(min_length=1, max_length=MAX_RUN_NAME), AfterValidator(_run_name)]
"""The name of an execution."""
Symbol = Annotated[str, AfterValidator(_symbol)]
"""A symbol in the form in which it is stored."""
Symbols = Annotated[list[Symbol], Field(min_length=1)]
BatchNumber = Annotated[int, Field(ge=0, le=MAX_BATCH)]
BatchSize = Annotated[int, Field(ge=1, le=MAX_BATCH_SIZE)]
Count = Annotated[int, Field(ge=0)]
Hours = Annotated[float, Field(ge=1, allow_inf_nan=False)]
Days = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@with_config(ConfigDict(extra="forbid", strict=True))
class StrictEvent(TypedDict, total=False):
    """An event, or a part of one, in which a key that is not in its type is an error."""


class StepEvent(StrictEvent, total=False):
    """What every step takes, and all that a step takes without an event of its own."""

    run: RunName | None
    """The name of the execution, under which the Lambda functions write logs and records."""
    now: Moment
    """The run's clock; the present by default."""
