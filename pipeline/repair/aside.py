"""Set an object aside: its bytes stay in the lake, under a name that no reader reads."""

from __future__ import annotations

from itertools import count

from stockstream.pipeline.errors import Conflict
from stockstream.pipeline.lake import Lake

DAMAGED = "damaged/"
"""Prefix of the objects that were set aside; `stockstream vacuum` does not delete them."""


def keep_copy(lake: Lake, key: str) -> str | None:
    """Copy an object to `damaged/KEY`; return the copy's key, or None if there is no such object.

    If another object was set aside under this name before, the copy's name has a number: `damaged/KEY.2`.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    stored = lake.store.get(key)
    if stored is None:
        return None
    for number in count(1):
        copy = f"{DAMAGED}{key}" + (f".{number}" if number > 1 else "")
        existing = lake.store.get(copy)
        if existing is None:
            try:
                lake.store.put(copy, stored.data, replaces=None)
            except Conflict:
                continue
            return copy
        if existing.data == stored.data:
            return copy
    raise AssertionError


def set_aside(lake: Lake, key: str) -> None:
    """Move an object to `damaged/KEY`: first the copy, then the deletion, so that a kill in between loses nothing.

    For an object that is gone an empty one stands there, so that it is reported once.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    if keep_copy(lake, key) is not None:
        lake.store.delete([key])
    elif not is_set_aside(lake, key):
        lake.store.put(f"{DAMAGED}{key}", b"", replaces=None)


def is_set_aside(lake: Lake, key: str) -> bool:
    """Return whether an object of this key has been set aside."""
    return lake.store.get(f"{DAMAGED}{key}") is not None
