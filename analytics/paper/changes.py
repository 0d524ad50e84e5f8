"""The changes between two JSON values, so that a state need not repeat what the one before it has.

An account's orders, fills and equity grow with its sessions, and each state has all of them: without this, the space
of an account would grow with the square of its sessions.

The change of a value is one of: `{"to": value}`, `{"keys": {key: change}, "without": [key]}` of a dict, and
`{"length": n, "items": {index: change}}` of a list; None if nothing has changed.
"""

from __future__ import annotations

from typing import Any

Change = dict[str, Any]


def change_between(before: Any, after: Any) -> Change | None:
    """Return the change that makes `after` of `before`; None if they are the same to the last bit, types included."""
    if before is after:
        return None
    if type(before) is dict and type(after) is dict:
        return _of_dicts(before, after)
    if type(before) is list and type(after) is list:
        return _of_lists(before, after)
    if type(before) is type(after) and repr(before) == repr(after):  # also tells -0.0 from 0.0
        return None
    return {"to": after}


def changed(before: Any, change: Change | None) -> Any:
    """Return a value after a change; parts that have not changed are shared with `before`.

    Raises:
        KeyError, IndexError, TypeError: the change is that of another value.
    """
    if change is None:
        return before
    if "to" in change:
        return change["to"]
    if "keys" in change:
        without = set(change["without"])
        kept = {key: value for key, value in before.items() if key not in without}
        return kept | {key: changed(before.get(key), one) for key, one in change["keys"].items()}
    values = [*before[: change["length"]], *[None] * (change["length"] - len(before))]
    for index, one in change["items"].items():
        values[int(index)] = changed(values[int(index)], one)
    return values


def _of_dicts(before: dict[str, Any], after: dict[str, Any]) -> Change | None:
    if [*(key for key in before if key in after), *(key for key in after if key not in before)] != [*after]:
        return {"to": after}  # the order of the keys is a part of the value
    keys = {}
    for key, value in after.items():
        one = change_between(before[key], value) if key in before else {"to": value}
        if one is not None:
            keys[key] = one
    without = [key for key in before if key not in after]
    return {"keys": keys, "without": without} if keys or without else None


def _of_lists(before: list[Any], after: list[Any]) -> Change | None:
    items = {}
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        if old is not new and (one := change_between(old, new)) is not None:
            items[str(index)] = one
    items |= {str(index): {"to": after[index]} for index in range(len(before), len(after))}
    return {"length": len(after), "items": items} if items or len(before) != len(after) else None
