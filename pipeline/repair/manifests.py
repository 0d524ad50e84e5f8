"""The pointer and the manifests: verify them, and mend the pointer from the newest manifest that can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from stockstream.pipeline.errors import Conflict, NewerFormat
from stockstream.pipeline.generations import head, numbers, point_to
from stockstream.pipeline.lake import CURRENT, Lake, manifest_key
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.repair.aside import is_set_aside, keep_copy, set_aside
from stockstream.pipeline.repair.model import Finding, Kind


@dataclass(frozen=True)
class Generations:
    """The generations that a lake keeps, and what is wrong with their manifests and the pointer."""

    readable: tuple[Manifest, ...]
    """The newest first, with the one of the pointer if only the pointer has it."""
    findings: tuple[Finding, ...]
    pointer: Manifest | None
    """The pointer, if it can be read."""

    @property
    def newest(self) -> Manifest:
        """Return the newest generation; generation 0 for a lake without silver."""
        return self.readable[0] if self.readable else Manifest()

    @property
    def lineage(self) -> list[Manifest]:
        """Return the newest generation and those from which its tables come, without those that were rolled back."""
        by_number = {manifest.generation: manifest for manifest in self.readable}
        line, number = [], self.newest.generation
        while by_number and number >= min(by_number):
            if number in by_number:
                line.append(by_number[number])
            restored = by_number[number].restores if number in by_number else None
            number = restored if restored is not None and restored < number else number - 1
        return line


def read_generations(lake: Lake) -> Generations:
    """Read every manifest and the pointer.

    Raises:
        LakeError: the lake cannot be read, or a newer version of this program has written it.
    """
    manifests: dict[int, Manifest] = {}
    damaged: dict[int, str] = {}
    kept = numbers(lake)
    for number in range(min(kept, default=0), max(kept, default=-1) + 1):
        manifest, problem = _read(lake, manifest_key(number))
        if manifest is not None and manifest.generation != number:
            damaged[number] = f"it is the manifest of generation {manifest.generation}"
        elif manifest is not None:
            manifests[number] = manifest
        elif problem is not None or not is_set_aside(lake, manifest_key(number)):
            damaged[number] = problem or "it is gone"
    pointer, problem = _read(lake, CURRENT)
    findings = []
    if pointer is not None and pointer.generation not in manifests and pointer.generation >= max(manifests, default=0):
        reason = damaged.pop(pointer.generation, "it is gone")
        action = "write it again: the pointer has its copy"
        findings.append(Finding(manifest_key(pointer.generation), reason, action, Kind.MANIFEST))
        manifests[pointer.generation] = pointer
    newest = max(manifests, default=0)
    for number, reason in damaged.items():
        action = "set it aside: its generation can no longer be read"
        if number > newest:
            action = f"set it aside, and go on from generation {newest}"
        findings.append(Finding(manifest_key(number), reason, action, Kind.MANIFEST))
    if problem is None and newest:
        problem = _difference(pointer, manifests[newest])
    if problem is not None:
        action = f"point to generation {newest}" if newest else "set it aside: there is no manifest"
        findings.append(Finding(CURRENT, problem, action, Kind.POINTER))
    readable = tuple(manifests[number] for number in sorted(manifests, reverse=True))
    return Generations(readable, tuple(findings), pointer)


def mend_generations(lake: Lake, generations: Generations) -> Iterator[str]:
    """Set damaged manifests aside, restore the one that the pointer has, and mend the pointer; yield notes.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    pointer = generations.pointer
    for finding in (each for each in generations.findings if each.kind is Kind.MANIFEST):
        set_aside(lake, finding.object)
        if pointer is not None and finding.object == manifest_key(pointer.generation):
            with suppress(Conflict):  # another writer has the number now, and went on from what it could read
                lake.store.put(finding.object, pointer.to_json(), replaces=None)
        else:
            yield f"{finding.object} is set aside: its generation can no longer be read or restored"
        finding.repaired = True
    for finding in (each for each in generations.findings if each.kind is Kind.POINTER):
        if pointer is None or pointer.generation >= generations.newest.generation:
            set_aside(lake, CURRENT)
        else:
            keep_copy(lake, CURRENT)
        if generations.readable:
            point_to(lake, head(lake))
        finding.repaired = True


def _read(lake: Lake, key: str) -> tuple[Manifest | None, str | None]:
    """Return a manifest or the pointer, or what is wrong with it; neither if there is no such object.

    Unlike those in `generations`, which go on with another object, this reads just the one.
    """
    stored = lake.store.get(key)
    if stored is None:
        return None, None
    try:
        return Manifest.from_json(stored.data), None
    except NewerFormat as error:
        raise NewerFormat(f"{lake.uri}: {error}") from None
    except ValueError:
        return None, "it is no manifest, or not as it was stored" if stored.data.strip() else "it is empty"


def _difference(pointer: Manifest | None, newest: Manifest) -> str | None:
    """Return how the pointer differs from the newest manifest."""
    if pointer is None:
        return "it is gone"
    if pointer.generation != newest.generation:
        return f"it is at generation {pointer.generation}, the newest manifest at {newest.generation}"
    return None if pointer == newest else f"it differs from the manifest of generation {newest.generation}"
