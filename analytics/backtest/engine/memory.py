"""What a strategy remembers, as JSON values."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from stockstream.analytics.backtest.model import Strategy
from stockstream.sql.errors import UsageError

ADVICE = "give the strategy the methods state(), which returns JSON values, and restore(state)"


@runtime_checkable
class Saves(Protocol):
    """A strategy that saves and restores its attributes itself."""

    def state(self) -> Any:
        """Return JSON values."""

    def restore(self, state: Any) -> None:
        """Set what `state` has returned."""


def initial_of(strategy: Strategy) -> dict[str, Any]:
    """Return a copy of a strategy's attributes before its first session; what cannot be copied is left out."""
    copies = {}
    for name, value in vars(strategy).items():
        try:
            copies[name] = copy.deepcopy(value)
        except Exception:  # whatever a class of the user raises: then it must be JSON to be saved
            continue
    return copies


def strategy_state(strategy: Strategy, initial: Mapping[str, Any]) -> Any:
    """Return what `strategy.state()` returns; without that method, the attributes that differ from `initial`.

    Raises:
        UsageError: it has a value that JSON does not have, or one list or dict in two places.
    """
    if isinstance(strategy, Saves) and callable(getattr(type(strategy), "state", None)):
        state = strategy.state()
        _check(f"{type(strategy).__name__}.state()", state, {})
        return state
    changed = {name: value for name, value in vars(strategy).items() if not _is_same(initial, name, value)}
    places: dict[int, str] = {}
    for name, value in changed.items():
        _check(f"{type(strategy).__name__}.{name}", value, places)
    return copy.deepcopy(changed)


def restore_strategy(strategy: Strategy, state: Any) -> None:
    """Set what `strategy_state` has returned."""
    if isinstance(strategy, Saves) and callable(getattr(type(strategy), "restore", None)):
        strategy.restore(state)
    else:
        vars(strategy).update(copy.deepcopy(state))


def _is_same(initial: Mapping[str, Any], name: str, value: Any) -> bool:
    try:
        return name in initial and type(initial[name]) is type(value) and bool(initial[name] == value)
    except Exception:  # an array has no truth value
        return False


def _check(place: str, value: Any, places: dict[int, str]) -> None:
    """Check that JSON has a value, also its type.

    Args:
        place: the attribute, for the message.
        value: its value.
        places: the attribute per id of each list and dict so far.

    Raises:
        UsageError: JSON does not have it.
    """
    if value is None or type(value) in (str, int, bool) or (type(value) is float and math.isfinite(value)):
        return
    is_dict = type(value) is dict
    if not is_dict and type(value) is not list:
        what = str(value) if type(value) is float else f"of type {type(value).__name__}"
        raise UsageError(f"{place} is {what}, which JSON does not have: {ADVICE}")
    if is_dict and not all(type(key) is str for key in value):
        raise UsageError(f"{place} is a dict with keys that are not texts, which JSON does not have: {ADVICE}")
    if id(value) in places:
        raise UsageError(f"{place} has the same list or dict as {places[id(value)]}, and JSON would make two: {ADVICE}")
    places[id(value)] = place
    for item in value.values() if is_dict else value:
        _check(place, item, places)
