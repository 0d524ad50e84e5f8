"""Read the generations of a lake: the newest one, one by number or time, or all that have not been vacuumed."""

from __future__ import annotations

from datetime import UTC, datetime, time

from pydantic import ValidationError

from stockstream.pipeline.errors import LakeError, NewerFormat, UsageError
from stockstream.pipeline.lake import CURRENT, MANIFESTS, Lake, manifest_key
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.pointer import pointer_to
from stockstream.pipeline.store import Stored


def head(lake: Lake) -> Manifest:
    """Return the newest generation; generation 0 for a lake without silver.

    A writer that died between its commit and the update of the pointer has committed: the pointer is updated here.

    Raises:
        LakeError: a manifest is damaged, or a newer version of this program has written it.
    """
    pointer = lake.store.get(CURRENT)
    manifest = _parse(lake, CURRENT, pointer) if pointer else _without_pointer(lake)
    while (following := lake.store.get(manifest_key(manifest.generation + 1))) is not None:
        manifest = _parse(lake, manifest_key(manifest.generation + 1), following)
        point_to(lake, manifest)
    return manifest


def generation(lake: Lake, number: int) -> Manifest:
    """Return one generation.

    Raises:
        UsageError: there is no such generation, or it has been vacuumed.
        LakeError: as in `head`.
    """
    key = manifest_key(number)
    stored = lake.store.get(key)
    if stored is None:
        numbers = [manifest.generation for manifest in history(lake)]
        existing = f"generations {numbers[-1]} to {numbers[0]}" if numbers else "no generation yet"
        raise UsageError(f"{lake.uri} has no generation {number}: it has {existing} (`stockstream history` lists them)")
    return _parse(lake, key, stored)


def history(lake: Lake) -> list[Manifest]:
    """Return all generations that have not been vacuumed, the newest first.

    Raises:
        LakeError: as in `head`.
    """
    keys = sorted(lake.store.list(MANIFESTS), reverse=True)
    return [_parse(lake, key, stored) for key in keys if (stored := lake.store.get(key)) is not None]


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
    manifests = history(lake)
    for manifest in manifests:
        if datetime.fromisoformat(manifest.created_at) <= moment:
            return manifest.generation
    last = manifests[-1] if manifests else None
    oldest = f"the oldest one kept is {last.generation} of {last.created_at}" if last else "it has none yet"
    raise UsageError(f"{lake.uri} has no generation as old as {text}: {oldest} (`stockstream history` lists them)")


def point_to(lake: Lake, manifest: Manifest) -> None:
    """Set the pointer to a committed generation; do nothing if it is at that generation or a newer one already."""

    def newer(before: Stored | None) -> bytes | None:
        if before is not None and _parse(lake, CURRENT, before).generation >= manifest.generation:
            return None
        return pointer_to(lake, manifest, before)

    lake.update(CURRENT, newer)


def _without_pointer(lake: Lake) -> Manifest:
    """Return the newest generation of a lake that has no pointer, and write the pointer."""
    manifests = history(lake)
    if not manifests:
        return Manifest()
    point_to(lake, manifests[0])
    return manifests[0]


def _parse(lake: Lake, key: str, stored: Stored) -> Manifest:
    try:
        return Manifest.model_validate_json(stored.data)
    except NewerFormat as error:
        raise NewerFormat(f"{lake.uri}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LakeError(
            f"{lake.store.uri(key)} is damaged ({where}: {first['msg']}): "
            f"restore it from {lake.store.uri(MANIFESTS)}, its copies by number"
        ) from None
