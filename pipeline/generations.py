"""Read the generations of a lake: the newest one, or one by number or time. Move the pointer to a generation.

The numbered manifests decide which generation is the newest; the pointer is a copy for readers, and is not believed
when it says something else. Every reader here survives a damaged pointer, and damaged manifests of other generations.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, time

from pydantic import ValidationError

from stockstream.pipeline.errors import LakeError, NewerFormat, UsageError
from stockstream.pipeline.generation_history import history, remember
from stockstream.pipeline.lake import CURRENT, MANIFESTS, Lake, manifest_key, manifest_number
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.pointer import pointer_to
from stockstream.pipeline.store import Stored

logger = logging.getLogger(__name__)


def head(lake: Lake) -> Manifest:
    """Return the newest generation; generation 0 for a lake without silver.

    A writer that died between its commit and the update of the pointer has committed: the pointer is updated here, and
    likewise a pointer that is damaged, gone, or an older copy.

    Raises:
        LakeError: the newest manifest is damaged, or a newer version of this program has written it.
    """
    newest = max(numbers(lake), default=0)
    stored = lake.store.get(CURRENT)
    pointer = pointed(lake, stored)
    if pointer is not None and pointer.generation >= newest:
        return pointer
    if not newest:
        if stored is not None:
            raise LakeError(f"{lake.store.uri(CURRENT)} is damaged, and there is no manifest: see `stockstream repair`")
        return Manifest()
    manifest = _read(lake, newest)
    if manifest is None:
        raise LakeError(f"{lake.store.uri(manifest_key(newest))} is gone: run again")
    if stored is not None and pointer is None:
        logger.warning("%s is damaged: it is set to generation %d", lake.store.uri(CURRENT), newest)
    point_to(lake, manifest)
    return manifest


def head_as_it_is(lake: Lake) -> Manifest:
    """Return the newest generation as `head` does, and leave the pointer as it is.

    Raises:
        UsageError, LakeError: the newest manifest is damaged, or a newer version of this program has written it.
    """
    newest = max(numbers(lake), default=0)
    pointer = pointed(lake, lake.store.get(CURRENT))
    if pointer is not None and pointer.generation >= newest:
        return pointer
    return generation(lake, newest) if newest else Manifest()


def generation(lake: Lake, number: int) -> Manifest:
    """Return one generation; from the pointer if that has it and the manifest is damaged or gone.

    Raises:
        UsageError: there is no such generation, or it has been vacuumed.
        LakeError: as in `head`.
    """
    try:
        manifest = _read(lake, number) if number > 0 else None
    except NewerFormat:
        raise
    except LakeError:
        pointer = pointed(lake, lake.store.get(CURRENT))
        if pointer is None or pointer.generation != number:
            raise
        return pointer
    if manifest is None:
        pointer = pointed(lake, lake.store.get(CURRENT)) if number > 0 else None
        if pointer is not None and pointer.generation == number:
            return pointer
        kept = sorted(numbers(lake))
        existing = f"generations {kept[0]} to {kept[-1]}" if kept else "no generation yet"
        raise UsageError(f"{lake.uri} has no generation {number}: it has {existing} (`stockstream history` lists them)")
    return manifest


def numbers(lake: Lake) -> set[int]:
    """Return the numbers of the generations that have not been vacuumed."""
    return {number for key in lake.store.list(MANIFESTS) if (number := manifest_number(key)) is not None}


def as_of(lake: Lake, text: str) -> int:
    """Return the number of the generation that `text` denotes: a number, or a time.

    A time denotes the newest generation that was published up to then. It is ISO 8601, in UTC unless it has an offset;
    a date includes the whole day: `2026-11-20`, `2026-11-20T17:30+11:00`.

    Raises:
        UsageError: the text is neither, or there is no such generation, or it has been vacuumed.
        LakeError: as in `head`.
    """
    if text.isascii() and text.isdecimal():
        return generation(lake, int(text)).generation
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text} is no generation: write its number, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS") from None
    if len(text) <= len("2026-11-20"):
        moment = datetime.combine(moment, time.max)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    entries = [entry for entry in history(lake) if entry.problem is None]
    for entry in entries:
        if datetime.fromisoformat(entry.created_at) <= moment:
            return entry.generation
    last = entries[-1] if entries else None
    oldest = f"the oldest one kept is {last.generation} of {last.created_at}" if last else "it has none yet"
    raise UsageError(f"{lake.uri} has no generation as old as {text}: {oldest} (`stockstream history` lists them)")


def point_to(lake: Lake, manifest: Manifest) -> None:
    """Set the pointer to a committed generation, and note the generation in the history.

    A pointer that is at that generation or a newer one already stays as it is.
    """

    def newer(before: Stored | None) -> bytes | None:
        pointer = pointed(lake, before)
        if pointer is not None and pointer.generation >= manifest.generation:
            return None
        return pointer_to(lake, manifest, before)

    lake.update(CURRENT, newer)
    remember(lake, manifest)


def pointed(lake: Lake, stored: Stored | None) -> Manifest | None:
    """Return the generation that a stored pointer is a copy of; None if there is no pointer, or it is damaged.

    Raises:
        NewerFormat: a newer version of this program has written it.
    """
    if stored is None:
        return None
    try:
        return _parse(lake, CURRENT, stored)
    except NewerFormat:
        raise
    except LakeError:
        return None


def _read(lake: Lake, number: int) -> Manifest | None:
    """Return a numbered manifest; None if there is none.

    Raises:
        LakeError: it is damaged.
    """
    key = manifest_key(number)
    stored = lake.store.get(key)
    if stored is None:
        return None
    manifest = _parse(lake, key, stored)
    if manifest.generation != number:
        raise LakeError(f"{lake.store.uri(key)} is that of generation {manifest.generation}: run `stockstream repair`")
    return manifest


def _parse(lake: Lake, key: str, stored: Stored) -> Manifest:
    """Return the manifest in an object of a lake.

    Raises:
        NewerFormat: a newer version of this program has written it.
        LakeError: it is damaged.
    """
    try:
        return Manifest.from_json(stored.data)
    except NewerFormat as error:
        raise NewerFormat(f"{lake.uri}: {error}") from None
    except ValueError as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            reason = ": ".join(text for text in (".".join(map(str, first["loc"])), first["msg"]) if text)
        raise LakeError(f"{lake.store.uri(key)} is damaged ({reason}): run `stockstream repair`") from None
